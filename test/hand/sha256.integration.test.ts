import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const SOURCES = join(__dirname, "..", "..", "hand");
/** Reads in pieces that fit no block, and prints the digest. */
const MAIN = `
#include "sha256.h"
#include <stdio.h>
int main(void)
{
    unsigned char bytes[777];
    char hex[65];
    struct sha256 hash;
    sha256_begin(&hash);
    for (size_t length; (length = fread(bytes, 1, sizeof bytes, stdin)) > 0;)
        sha256_add(&hash, bytes, length);
    sha256_end(&hash, hex);
    puts(hex);
    return 0;
}
`;
/** Around the ends of blocks and of the padding, and many blocks. */
const SIZES = [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 777, 1_000_003];

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-sha-"));
  writeFileSync(join(dir, "main.c"), MAIN);
});
afterAll(() => rmSync(dir, { recursive: true }));

describe.each([
  ["as this machine can", []],
  ["on a machine without instructions for it", ["-DSHA256_BY_HAND"]],
])("SHA-256 %s", (name, flags) => {
  test("is what everybody else computes", () => {
    const program = join(dir, name.replaceAll(" ", "-"));
    const sources = [join(dir, "main.c"), join(SOURCES, "sha256.c")];
    execFileSync("cc", ["-std=c11", "-D_GNU_SOURCE", "-O2", `-I${SOURCES}`, ...flags, "-o", program, ...sources]);
    for (const size of SIZES) {
      const bytes = randomBytes(size);
      const expected = createHash("sha256").update(bytes).digest("hex");
      expect(execFileSync(program, { input: bytes, encoding: "utf8" }).trim(), `${size} bytes`).toBe(expected);
    }
  });
});
