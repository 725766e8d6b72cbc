import type { BuildEvent } from "../../engines/engine";
import { fromErrorJson, OpenComputerError } from "../../errors";
import type { BuildRow, OrgStore } from "../store/store";
import { readBuildLog } from "./build-log";
import type { BuildService } from "./build-service";

/** Which lines of a log to read. */
export interface LogRange {
  /** How many to pass over. */
  readonly from: number;
  /** Whether to wait for those that are still to come. */
  readonly follow: boolean;
}

/** The builds that run and those whose logs are kept. Looking on changes nothing: who reads a log holds no build. */
export class BuildHistory {
  constructor(private readonly builds: BuildService) {}

  /** Newest first. */
  async list(org: OrgStore): Promise<BuildRow[]> {
    return await org.listBuilds();
  }

  /** @throws not_found */
  async get(org: OrgStore, id: string): Promise<BuildRow> {
    const row = await org.getBuild(id);
    if (row === undefined) throw new OpenComputerError("not_found", `build not found: ${id}`);
    return row;
  }

  /**
   * The lines of a build, and at last how it stands.
   *
   * @throws not_found; the build's own error where it is over and has failed
   */
  async *read(
    org: OrgStore,
    build: BuildRow,
    { from, follow }: LogRange,
    signal: AbortSignal,
  ): AsyncGenerator<BuildEvent, BuildRow> {
    const live = follow ? this.builds.liveLog(build.id) : undefined;
    yield* live?.read(from, signal) ?? readBuildLog(build.logPath, from);
    // A log is closed after its build's row was written, so now the row says what became of it.
    const row = await this.get(org, build.id);
    if (row.error !== null) throw fromErrorJson(row.error, "build_failed");
    return row;
  }
}
