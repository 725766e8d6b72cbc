import { expect, it } from "vitest";
import { fromNetworkFields, toNetworkFields } from "../../src/api/network-fields";
import type { NetworkPolicy } from "../../src/api/records";

it.each<NetworkPolicy>(["none", "egress", { allow: ["pypi.org", "192.0.2.0/24"] }])(
  "%j is the same there and back",
  (policy) => {
    expect(fromNetworkFields(toNetworkFields(policy))).toEqual(policy);
  },
);
