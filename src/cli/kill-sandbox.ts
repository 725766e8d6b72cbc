import type { Api } from "../api/contract";
import { isOpenComputerError } from "../errors";

/** Kills a sandbox; one that ended by itself at the same moment is fine. */
export async function killSandbox(api: Api, id: string, signal?: AbortSignal): Promise<void> {
  try {
    await api.killSandbox(id, signal ? { signal } : {});
  } catch (error) {
    if (!isOpenComputerError(error, "not_found")) throw error;
  }
}
