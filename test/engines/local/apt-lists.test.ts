import { expect, test } from "vitest";
import { claimsOf, isRelease, LIST_FILE } from "../../../src/engines/local/apt-lists";

const [one, two] = ["1".repeat(64), "2".repeat(64)];

test.each([
  [
    "a distribution, whose signed release has more sums than one kind",
    "deb.example.org_debian_dists_bookworm_InRelease",
    `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nMD5Sum:\n 0123 4 main/binary-amd64/Packages\nSHA256:\n ${one}  46 main/binary-amd64/Packages\n ${two} 7 main/binary-amd64/Packages.xz\n-----BEGIN PGP SIGNATURE-----\n`,
    {
      "deb.example.org_debian_dists_bookworm_main_binary-amd64_Packages": one,
      "deb.example.org_debian_dists_bookworm_main_binary-amd64_Packages.xz": two,
    },
  ],
  [
    "a flat archive, a name with an underscore",
    "h:80_apt_._Release",
    `SHA256:\n ${one} 1 Packages\n ${two} 2 a_b/Packages\nDate: x\n`,
    { "h:80_apt_._Packages": one, "h:80_apt_._a%5fb_Packages": two },
  ],
  ["sums of other kinds only", "h_Release", `SHA512:\n ${one} 1 Packages\n`, {}],
  ["a file that vouches for nothing", "h_Packages", `SHA256:\n ${one} 1 Packages\n`, {}],
])("%s", (_, name, text, expected) => {
  expect(Object.fromEntries(claimsOf(name, text))).toEqual(expected);
});

test.each([
  ["h_InRelease", true, true],
  ["h_Release", true, true],
  ["h_Release.gpg", false, true],
  ["h_main_binary-amd64_Packages", false, true],
  ["h_main_i18n_Translation-en", false, false],
  ["lock", false, false],
  ["partial/h_Packages", false, false],
])("%s: vouches %s, is kept %s", (name, vouches, kept) => {
  expect([isRelease(name), LIST_FILE.test(name)]).toEqual([vouches, kept]);
});
