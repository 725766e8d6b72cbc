import { sha256Hex } from "../src/image/hash";

/**
 * `<logical name>-<7 hex>`, of the letters that every name may have. The digits follow the URN, so that two stacks with one
 * program do not fight over a name on a shared server, and the salt.
 *
 * @param fallback where the logical name has none of those letters
 * @example toAutoName("urn:pulumi:dev::p::type::data science", "", "snapshot") // "data-science-3f2a91c"
 */
export function toAutoName(urn: string, salt: string, fallback: string): string {
  const logical = (urn.split("::").pop() ?? "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return `${(logical || fallback).slice(0, 100)}-${sha256Hex(`${urn}\n${salt}`).slice(0, 7)}`;
}
