import { expect, test } from "vitest";
import { reachableResolvers } from "../../../src/engines/local/host-facts";

test.each([
  ["an ordinary one stays", "search a.b\nnameserver 10.0.0.1\n", "search a.b\nnameserver 10.0.0.1\n"],
  ["a loopback one goes", "nameserver 127.0.0.1\nnameserver 10.0.0.1", "nameserver 10.0.0.1"],
  ["nothing but loopback", "nameserver 127.0.0.53\nnameserver ::1\n", "nameserver 1.1.1.1\nnameserver 8.8.8.8\n"],
  ["nothing at all", "", "nameserver 1.1.1.1\nnameserver 8.8.8.8\n"],
])("resolvers: %s", (_, host, inside) => {
  expect(reachableResolvers(host)).toBe(inside);
});
