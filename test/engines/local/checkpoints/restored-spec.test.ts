import { expect, test } from "vitest";
import { restoredSpec } from "../../../../src/engines/local/checkpoints/restored-spec";

const spec = (name: string, extra: object = {}) => ({
  hostname: name,
  root: { path: `/merged/${name}` },
  process: { args: ["/.oc/agent", "init"], rlimits: [] },
  mounts: [
    { destination: "/.oc", source: `/shared/${name}` },
    { destination: "/etc/hosts", source: `/sandboxes/${name}/hosts` },
  ],
  linux: { namespaces: [name], cgroupsPath: `/${name}`, resources: { memory: name }, seccomp: { of: name } },
  ...extra,
});

test("what goes on from memory has the configuration it was saved with, and what is its own", () => {
  const saved = spec("old", { annotations: { of: "old" } });
  expect(restoredSpec(saved, spec("new", { later: true }), ["/etc/hosts", "/etc/machine-id"])).toEqual({
    ...saved,
    hostname: "new",
    root: { path: "/merged/new" },
    mounts: [
      { destination: "/.oc", source: "/shared/old" },
      { destination: "/etc/hosts", source: "/sandboxes/new/hosts" },
    ],
    linux: { namespaces: ["new"], cgroupsPath: "/new", resources: { memory: "new" }, seccomp: { of: "old" } },
  });
});
