import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createPackageSchema } from "./package-schema";

/** `node dist/provider/plugin/generate-schema.js`: writes schema.json anew. A test fails where that was forgotten. */
const root = resolve(__dirname, "..", "..", "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
const text = JSON.stringify(createPackageSchema(version), null, 2);
writeFileSync(join(root, "provider", "plugin", "schema.json"), `${text}\n`);
