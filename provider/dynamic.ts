/**
 * What Pulumi keeps in the state of every resource (as `__provider`) and evaluates in the provider's process: JavaScript
 * text that exports `handler`. Pulumi would make it by serialising a closure, some kilobytes a resource, and only as
 * constant as what the closure captures. Ours is one line for ever: a detour to the package that is installed when it
 * runs, so old states run new code. Pulumi cannot change this form, because every state of a dynamic resource holds it.
 */
export const providerText = {
  snapshot: toProviderText("snapshot"),
  sandbox: toProviderText("sandbox"),
  checkpoint: toProviderText("checkpoint"),
} as const;

function toProviderText(resource: "snapshot" | "sandbox" | "checkpoint"): string {
  return `exports.handler = () => require("pulumi-opencomputer/provider").${resource};`;
}
