import { expect, it } from "vitest";
import { condenseMmdebstrap } from "../../../../src/engines/local/base/mmdebstrap-progress";

const GET = "Get:1 http://mirror.example/debian bookworm/main amd64 libc6 amd64 2.36-9 [2758 kB]";

it("condenses thousands of lines to one every three seconds", () => {
  const shown: string[] = [];
  let nowMs = 0;
  const take = condenseMmdebstrap(
    (line) => shown.push(line),
    () => nowMs,
  );
  const lines = [
    "I: running apt-get update...",
    "Get:1 http://mirror.example/debian bookworm InRelease [151 kB]",
    "0 upgraded, 70 newly installed, 0 to remove and 0 not upgraded.",
    ...Array.from({ length: 70 }, () => GET),
    "0 upgraded, 200 newly installed, 0 to remove and 0 not upgraded.",
    ...Array.from({ length: 200 }, (_, index) => `Unpacking p${index} (1.0) ...`),
    ...Array.from({ length: 200 }, (_, index) => `Setting up p${index} (1.0) ...`),
  ];
  for (const line of lines) {
    nowMs += 50;
    take(line);
  }
  expect(shown[0]).toBe("base: downloading packages (57/70)");
  expect(shown[1]).toMatch(/^base: unpacking packages \(\d+\/200\)$/);
  expect(shown.at(-1)).toMatch(/^base: setting up packages \(1\d\d\/200\)$/);
  expect(shown).toHaveLength(Math.floor((lines.length * 50) / 3_000));
});
