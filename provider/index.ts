/**
 * The door `pulumi-opencomputer/provider`. Pulumi states hold `require("pulumi-opencomputer/provider").snapshot…`:
 * this path, these names and their methods are a contract for ever.
 */
import { checkpointHandlers } from "./checkpoint";
import { toDynamicHost } from "./host";
import { sandboxHandlers } from "./sandbox";
import { snapshotHandlers } from "./snapshot";

/** Life cycle of the `Snapshot` resource, as Pulumi's dynamic-provider server calls it. */
export const snapshot = toDynamicHost(snapshotHandlers);

/** Life cycle of the `Sandbox` resource, as Pulumi's dynamic-provider server calls it. */
export const sandbox = toDynamicHost(sandboxHandlers);

/** Life cycle of the `Checkpoint` resource, as Pulumi's dynamic-provider server calls it. */
export const checkpoint = toDynamicHost(checkpointHandlers);
