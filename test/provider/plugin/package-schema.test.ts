import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { EMPTY_CONFIG, readConfig } from "../../../provider/config";
import { createPackageSchema } from "../../../provider/plugin/package-schema";
import schema from "../../../provider/plugin/schema.json";

const root = resolve(__dirname, "..", "..", "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

describe("schema.json", () => {
  it("is what the schemas of the inputs say: npm run build && node dist/provider/plugin/generate-schema.js", () => {
    expect(schema).toEqual(JSON.parse(JSON.stringify(createPackageSchema(version))));
  });

  it("says something of every property", () => {
    const mute: string[] = [];
    const visit = (value: unknown, path: string) => {
      if (typeof value !== "object" || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        const isMap = /^(properties|inputProperties|variables)$/.test(path.split("/").at(-1) ?? "");
        if (isMap && !("description" in (inner as object))) mute.push(`${path}/${key}`);
        visit(inner, `${path}/${key}`);
      }
    };
    visit(schema, "");
    expect(mute).toEqual([]);
  });

  it("has every key of the configuration", () => {
    const keys: string[] = [];
    expect(readConfig((key) => void keys.push(key))).toEqual(EMPTY_CONFIG);
    expect(Object.keys(schema.config.variables).sort()).toEqual(keys.sort());
  });
});
