import { z } from "zod";
import type { NetworkPolicy } from "./records";
import { destinationSchema } from "./schemas";

/**
 * How a request on the wire says what a sandbox reaches. Without a network the list means nothing, and an empty list
 * restricts nothing. Answers say it as the {@link NetworkPolicy} that it comes to.
 */
export const networkFieldsSchema = {
  networkEnabled: z.boolean().nullish(),
  egressAllowlist: z.array(destinationSchema).max(256).nullish(),
};

/** @example toNetworkFields("none") // { networkEnabled: false } */
export function toNetworkFields(policy: NetworkPolicy): NetworkFields {
  if (policy === "egress") return { networkEnabled: true };
  return policy === "none" ? { networkEnabled: false } : { egressAllowlist: policy.allow };
}

/** @example fromNetworkFields({ egressAllowlist: ["pypi.org"] }) // { allow: ["pypi.org"] } */
export function fromNetworkFields({ networkEnabled, egressAllowlist }: NetworkFields): NetworkPolicy {
  if (networkEnabled === false) return "none";
  return egressAllowlist?.length ? { allow: egressAllowlist } : "egress";
}

interface NetworkFields {
  readonly networkEnabled?: boolean | null | undefined;
  readonly egressAllowlist?: readonly string[] | null | undefined;
}
