import { expect, test } from "vitest";
import { slotAddresses } from "../../../src/engines/local/network-slots";

test.each([
  [1, "10.213.0.5", "10.213.0.6"],
  [64, "10.213.1.1", "10.213.1.2"],
  [16_383, "10.213.255.253", "10.213.255.254"],
])("slot %i has a network of four addresses to itself", (slot, host, inside) => {
  expect(slotAddresses(slot)).toEqual({ host, inside });
});
