import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { ServerApi } from "../api/contract";
import type { ServerInfo } from "../api/records";
import { type ServerCard, serverCardSchema } from "../api/schemas";
import { isOpenComputerError, OpenComputerError } from "../errors";
import { serverHome } from "../paths";
import { createClient } from "./client";

/** An embedded server that runs and answers. */
export interface RunningEmbedded {
  readonly api: ServerApi;
  readonly card: ServerCard;
  readonly info: ServerInfo;
}

/** A healthy server answers at once; a busy one in a moment. */
const ANSWER_TIMEOUT_MS = 5_000;

/** The folder of the embedded server of this user, absolute. */
export function embeddedHome(env: Readonly<Record<string, string | undefined>>): string {
  return resolve(serverHome({ env, uid: process.geteuid?.() ?? -1, homeDir: homedir() }));
}

/**
 * The server that a home's card tells of, where it lives, answers and takes the card's key. Undefined where there is
 * none: no card, one that cannot be read, one of a dead process, or a stranger who got its port since.
 *
 * @throws unsupported where a server of another, incompatible version runs there; aborted
 */
export async function findEmbedded(
  home: string,
  options: { readonly onWarning?: (message: string) => void; readonly signal?: AbortSignal } = {},
): Promise<RunningEmbedded | undefined> {
  const card = await readCard(home);
  if (!card || !isAlive(card.pid)) return undefined;
  const { signal, onWarning } = options;
  const address = { apiUrl: card.url, apiKey: card.apiKey, ...(onWarning ? { onWarning } : {}) };
  const probe = createClient({ ...address, retry: { attempts: 1, baseDelayMs: 0 } });
  const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  try {
    const info = await probe.info({ signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
    return { api: createClient(address), card, info };
  } catch (error) {
    if (signal?.aborted) throw error;
    // Only an answer to our key that we do not understand is ours; an error status may come from a stranger.
    if (isOpenComputerError(error, "protocol") && error.details["status"] === undefined)
      throw incompatible(card, error);
    return undefined;
  }
}

/** True where a process of this id runs, also one of another user; one that only waits to be reaped does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** In a container whose first process reaps nobody, a dead server keeps its number for ever. */
function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Undefined where there is no card or none that makes sense: the next server writes it anew. */
export async function readCard(home: string): Promise<ServerCard | undefined> {
  try {
    const parsed = serverCardSchema.safeParse(JSON.parse(await readFile(join(home, "server.json"), "utf8")));
    return parsed.success && URL.canParse(parsed.data.url) ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof Error && "code" in error && error.code === "ENOENT")) {
      return undefined;
    }
    throw new OpenComputerError(
      "requirement_missing",
      `${join(home, "server.json")} cannot be read (${error instanceof Error ? error.message : String(error)}); run as the user who owns it, or choose another folder with OPENCOMPUTER_HOME`,
      { cause: error },
    );
  }
}

function incompatible(card: ServerCard, cause: unknown): OpenComputerError {
  return new OpenComputerError(
    "unsupported",
    `at ${card.url} runs a server of version ${card.version} that speaks another language than this package; stop it with: pulumi-opencomputer stop`,
    { cause },
  );
}
