import { expect, test } from "vitest";
import { overlayOptions } from "../../../src/engines/local/mounts";
import { isOpenComputerError } from "../../../src/errors";

const place = { upper: "/h/active/x/fs", work: "/h/active/x/work", uuidNull: true };

test("the kernel gets the highest layer first, and nothing may redirect", () => {
  expect(overlayOptions({ ...place, lowers: ["base/fs", "one/fs"] })).toBe(
    "lowerdir=one/fs:base/fs,upperdir=/h/active/x/fs,workdir=/h/active/x/work,redirect_dir=nofollow,metacopy=off,index=off,uuid=null",
  );
});

test("an older kernel is not asked for what it does not know", () => {
  expect(overlayOptions({ ...place, uuidNull: false, lowers: ["base/fs"] })).not.toContain("uuid");
});

test("an image of the most steps fits", () => {
  const lowers = Array.from({ length: 101 }, (_, index) => `${index.toString(16).padStart(16, "0")}/fs`);
  expect(overlayOptions({ ...place, lowers }).length).toBeLessThan(4096);
});

test("what the kernel would cut off in silence is an error", () => {
  const lowers = Array.from({ length: 300 }, () => "0123456789abcdef/fs");
  expect(() => overlayOptions({ ...place, lowers })).toThrowError(/300 layers is too deep/);
  try {
    overlayOptions({ ...place, lowers });
  } catch (error) {
    expect(isOpenComputerError(error, "unsupported")).toBe(true);
  }
});
