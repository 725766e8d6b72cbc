import { describe, expect, it } from "vitest";
import { isLoopback, toApiBase } from "../../src/client/api-base";

describe("toApiBase", () => {
  it.each([
    ["http://h:1", "http://h:1/api"],
    ["http://h:1/", "http://h:1/api"],
    ["http://h:1///", "http://h:1/api"],
    ["http://h:1/api", "http://h:1/api"],
    ["http://h:1/api/", "http://h:1/api"],
    ["https://h/x", "https://h/x/api"],
  ])("%s is %s", (url, base) => {
    expect(toApiBase(url)).toBe(base);
  });

  it.each(["", "localhost:8080", "ftp://h", "http://user:secret@h", "http://h?x=1", "/api"])("refuses %j", (url) => {
    expect(() => toApiBase(url)).toThrow(expect.objectContaining({ code: "invalid_input" }));
  });

  it("does not repeat a password", () => {
    expect(() => toApiBase("http://user:secret@h")).toThrow(expect.not.stringContaining("secret"));
  });
});

it.each([
  ["http://127.0.0.1:1/api", true],
  ["http://127.8.9.10", true],
  ["http://localhost", true],
  ["http://[::1]:80", true],
  ["http://127.example.org", false],
  ["https://app.opencomputer.dev", false],
])("isLoopback(%s) is %s", (url, expected) => {
  expect(isLoopback(url)).toBe(expected);
});
