import type { Rule } from "./rule";

/**
 * An image must start from something that cannot change below it. `base` is the server's own: what it contains is part of
 * every layer's key there, and the server's administrator pins it (`OPENCOMPUTER_BASE=oci:…@sha256:…`); the manifest
 * cannot say more. Any other base has to name its digest.
 */
export const pinnedBase: Rule<{ allowServerBase?: boolean }> = {
  name: "pinned-base",
  description: "An image starts from the server's base or from one that is named by its digest.",
  configSchema: { properties: { allowServerBase: { type: "boolean", default: true } } },
  check({ image }, { allowServerBase = true }) {
    if (image === undefined || /@sha256:[0-9a-f]{64}$/.test(image.base)) return [];
    if (image.base === "base" && allowServerBase) return [];
    return [`the base is ${image.base}; name it by its digest, such as ghcr.io/acme/base@sha256:…`];
  },
};
