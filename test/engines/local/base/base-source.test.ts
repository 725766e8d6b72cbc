import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseBaseSource } from "../../../../src/engines/local/base/base-source";
import { isOpenComputerError } from "../../../../src/errors";

describe("parseBaseSource", () => {
  it.each([
    [undefined, { kind: "default" }],
    ["", { kind: "default" }],
    ["tar:/tmp/root.tar.zst", { kind: "tar", path: "/tmp/root.tar.zst" }],
    ["tar:root.tar", { kind: "tar", path: resolve("root.tar") }],
    ["dir:/srv/root:fs", { kind: "dir", path: "/srv/root:fs" }],
    ["mmdebstrap:jammy", { kind: "mmdebstrap", suite: "jammy" }],
    ["oci:docker.io/library/ubuntu:22.04", { kind: "oci", ref: "docker.io/library/ubuntu:22.04" }],
    ["oci:oci:/tmp/layout:tag", { kind: "oci", ref: "oci:/tmp/layout:tag" }],
  ])("%j", (value, expected) => {
    expect(parseBaseSource(value)).toEqual(expected);
  });

  it.each([
    "ubuntu",
    "tar:",
    ":x",
    "iso:/x",
    "mmdebstrap:../x",
    "mmdebstrap:--help",
    "oci:--creds=x",
    "oci:a b",
    "dir:/a\nb",
  ])("refuses %j and lists the forms", (value) => {
    const error = thrownBy(() => parseBaseSource(value));
    expect(isOpenComputerError(error, "invalid_input")).toBe(true);
    for (const form of ["tar:PATH", "dir:PATH", "mmdebstrap:SUITE", "oci:REF", JSON.stringify(value)]) {
      expect(String(error)).toContain(form);
    }
  });
});

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
