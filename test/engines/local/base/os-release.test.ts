import { expect, it } from "vitest";
import { parseOsRelease } from "../../../../src/engines/local/base/os-release";

it.each([
  [
    'NAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n',
    { id: "debian", version: "12", codename: "bookworm", description: "Debian 12 (bookworm)" },
  ],
  [
    'NAME="Ubuntu"\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\nID=ubuntu\nUBUNTU_CODENAME=jammy\n',
    { id: "ubuntu", version: "22.04", codename: "jammy", description: "Ubuntu 22.04 (jammy)" },
  ],
  [
    'NAME="Linux Mint"\nVERSION_ID="21"\nVERSION_CODENAME=vanessa\nID=linuxmint\nUBUNTU_CODENAME=jammy\n',
    { id: "ubuntu", version: "21", codename: "jammy", description: "Linux Mint 21 (vanessa)" },
  ],
  ["NAME='Alpine Linux'\nID=alpine\n", { id: "alpine", version: "", codename: "", description: "Alpine Linux" }],
  ["", { id: "", version: "", codename: "", description: "an unnamed system" }],
])("os-release %#", (text, expected) => {
  expect(parseOsRelease(text)).toEqual(expected);
});
