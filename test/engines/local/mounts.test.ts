import { expect, test } from "vitest";
import { overlayRequest } from "../../../src/engines/local/mounts";
import { isOpenComputerError } from "../../../src/errors";

const newest = { uuidNull: true, byOption: true };
const older = { uuidNull: true, byOption: false };
const place = { upper: "/h/active/x/fs", work: "/h/active/x/work" };
const layers = (count: number) =>
  Array.from({ length: count }, (_, index) => `${index.toString(16).padStart(16, "0")}/fs`);

test("the kernel gets the highest layer first, and nothing may redirect", () => {
  const lowers = ["base/fs", "one/fs"];
  const rest =
    "upperdir /h/active/x/fs workdir /h/active/x/work redirect_dir nofollow metacopy off index off uuid null";
  expect(overlayRequest({ ...place, lowers, flavour: newest })).toEqual(
    `mount lowerdir+ one/fs lowerdir+ base/fs ${rest}`.split(" "),
  );
  const page =
    "lowerdir=one/fs:base/fs,upperdir=/h/active/x/fs,workdir=/h/active/x/work,redirect_dir=nofollow,metacopy=off,index=off,uuid=null";
  expect(overlayRequest({ ...place, lowers, flavour: older })).toEqual(["mount-page", page]);
});

test("an older kernel is not asked for what it does not know", () => {
  const flavour = { uuidNull: false, byOption: false };
  expect(overlayRequest({ ...place, lowers: ["base/fs"], flavour }).join()).not.toContain("uuid");
});

test("what is too long for an option of its own goes on the page", () => {
  const upper = `/${"h".repeat(255)}`;
  expect(overlayRequest({ ...place, upper, lowers: ["base/fs"], flavour: newest })[0]).toBe("mount-page");
});

test.each([
  ["by option", newest, 500, 501],
  ["on a page", older, 101, 300],
])("%s, what the kernel would not take or cut off in silence is an error", (_, flavour, fits, tooMany) => {
  expect(overlayRequest({ ...place, lowers: layers(fits), flavour }).join().length).toBeGreaterThan(fits * 16);
  try {
    overlayRequest({ ...place, lowers: layers(tooMany), flavour });
    expect.unreachable();
  } catch (error) {
    expect(isOpenComputerError(error, "unsupported")).toBe(true);
    expect(String(error)).toContain(`${tooMany} layers is too deep`);
  }
});
