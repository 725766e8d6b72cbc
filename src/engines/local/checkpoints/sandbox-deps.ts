import type { ContainerDeps } from "../container";
import type { MemoryStore } from "./memory-store";

/** What sandboxes are made of; one for the whole engine. */
export interface SandboxDeps extends ContainerDeps {
  readonly memories: MemoryStore;
}
