import { createHash } from "node:crypto";
import type { RealServer } from "../test/fixtures/real-server";

/** Files that can be told again from one word: what was kept is compared with them byte for byte. */
export interface Content {
  readonly word: string;
  /** Of each of its files. */
  readonly sizeBytes: number;
}

const FILES = ["1", "2", "deep/er/3"];
const HOME = "/home/sandbox";

/** Shell commands that write it below the home of user `sandbox`. */
export function writeCommand({ word, sizeBytes }: Content): string {
  const files = FILES.map((file) => `yes ${word}-${file} | head -c ${sizeBytes} > ${file}`).join(" && ");
  return `mkdir -p ${HOME}/${word}/deep/er && cd ${HOME}/${word} && ${files} && ln -s 1 link && chmod 604 2`;
}

/**
 * What is wrong with these in a sandbox; an empty list where all of them are there byte for byte.
 *
 * @throws where the sandbox does not answer
 */
export async function differences(server: RealServer, id: unknown, contents: readonly Content[]): Promise<string[]> {
  const looks = contents.map(({ word }) => `cd ${HOME}/${word} && ${LOOK}`);
  const { stdout, stderr } = await server.exec(id, looks.join(" && "));
  const expected = contents.map(sightOf).join("");
  if (stdout === expected) return [];
  return [`${contents.map(({ word }) => word).join(", ")}: ${stdout || stderr} instead of ${expected}`];
}

/** What a sandbox says that holds nothing of these. */
const LOOK = `cat ${FILES.join(" ")} | sha256sum && readlink link && stat -c %a 2`;

function sightOf({ word, sizeBytes }: Content): string {
  const hash = createHash("sha256");
  for (const file of FILES) {
    const line = `${word}-${file}\n`;
    hash.update(line.repeat(Math.ceil(sizeBytes / line.length)).slice(0, sizeBytes));
  }
  return `${hash.digest("hex")}  -\n1\n604\n`;
}
