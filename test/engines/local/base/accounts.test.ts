import { describe, expect, it } from "vitest";
import { withSandboxUser } from "../../../../src/engines/local/base/accounts";

const EMPTY = { passwd: "", group: "", shadow: "", gshadow: "" };
const DEBIAN = {
  passwd: "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n",
  group: "root:x:0:\ndaemon:x:1:\n",
  shadow: "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n",
  gshadow: "root:*::\ndaemon:*::\n",
};

describe("withSandboxUser", () => {
  it("adds one line to each file and keeps the rest", () => {
    const after = withSandboxUser(DEBIAN, "/bin/bash");
    expect(after.passwd).toBe(`${DEBIAN.passwd}sandbox:x:1000:1000::/home/sandbox:/bin/bash\n`);
    expect(after.group).toBe(`${DEBIAN.group}sandbox:x:1000:\n`);
    expect(after.shadow).toBe(`${DEBIAN.shadow}sandbox:*:19723:0:99999:7:::\n`);
    expect(after.gshadow).toBe(`${DEBIAN.gshadow}sandbox:!::\n`);
  });

  it("does the same a second time", () => {
    const once = withSandboxUser(DEBIAN, "/bin/sh");
    expect(withSandboxUser(once, "/bin/sh")).toEqual(once);
  });

  it("takes the number from another user, everywhere", () => {
    const ubuntu = {
      passwd: `${DEBIAN.passwd}ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n`,
      group: `${DEBIAN.group}ubuntu:x:1000:\nusers:x:100:\n`,
      shadow: `${DEBIAN.shadow}ubuntu:!:19000:0:99999:7:::\n`,
      gshadow: `${DEBIAN.gshadow}ubuntu:!::\n`,
    };
    const after = withSandboxUser(ubuntu, "/bin/bash");
    expect(JSON.stringify(after)).not.toContain("ubuntu");
    expect(after.group).toContain("users:x:100:");
    expect(after.passwd.split("\n").filter((line) => line.includes(":1000:"))).toHaveLength(1);
  });

  it("gives an empty system its root", () => {
    const after = withSandboxUser(EMPTY, "/bin/sh");
    expect(after.passwd).toMatch(/^root:x:0:0:.*\nsandbox:x:1000:1000:/);
    expect(after.shadow).toMatch(/^root:\*:\d+:/);
  });
});
