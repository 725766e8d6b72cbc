import { once } from "node:events";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { Command, Option } from "commander";
import { toErrorJson } from "../errors";
import type { ServerOptions } from "../server/config";
import { collectWhenIdle } from "./idle-memory";
import type { Terminal } from "./terminal";

const HELP = `
Prints its log as JSON lines. Ctrl-C stops it; sandboxes run on, and the next start takes them over.
Every option may also be set in the environment: OPENCOMPUTER_PORT, _HOME, _ENGINE, _RUNTIME, _ACCEPT_RUNC, _BASE,
_DISK_MB, _REACH.

Examples:
  $ pulumi-opencomputer serve
  $ pulumi-opencomputer serve --port 8080 --runtime runc
  $ pulumi-opencomputer serve --home /tmp/try --base mmdebstrap:bookworm`;

/** As the command line names them. */
type ServeOptions = Omit<ServerOptions, "diskMB"> & { readonly diskMb?: string };

/** `serve`: the server, in the foreground. */
export function serveCommand(terminal: Terminal): Command {
  return new Command("serve")
    .description("run the server in the foreground")
    .option("--host <address>", "address to listen on (default: 127.0.0.1)")
    .option("--port <port>", "port to listen on (default: any that is free)")
    .addOption(
      new Option("--engine <engine>", "what builds and runs sandboxes (default: auto)").choices(["auto", "local"]),
    )
    .option("--home <folder>", "where it keeps what must last", (folder) => resolve(folder))
    .addOption(
      new Option("--runtime <runtime>", "OCI runtime (default: auto)").choices(["auto", "runsc", "runc", "crun"]),
    )
    .option("--accept-runc <version>", "take this very version of runc, although it is open to known escapes")
    .option("--disk-mb <number>", "MiB that a build step and a sandbox may write (default: 20480)")
    .option("--reach <blocks>", "private addresses that sandboxes reach: 10.1.0.0/16,192.168.0.7 (default: none)")
    .option("--base <source>", "base file system: tar:…, dir:…, mmdebstrap:SUITE, oci:REF (default: by machine)")
    .addHelpText("after", HELP)
    .action(async ({ diskMb, ...options }: ServeOptions) => {
      // Layers say who may read what in an image; whose umask the server was started with must not. Secrets have modes.
      process.umask(0o022);
      // The other commands need no server inside them, and start faster without.
      const [{ readServerConfig }, { startServer }] = await Promise.all([
        import("../server/config.js"),
        import("../server/main.js"),
      ]);
      const uid = process.geteuid?.() ?? -1;
      const settings = { ...options, ...(diskMb === undefined ? {} : { diskMB: diskMb }) };
      const config = tellFatal(terminal, () =>
        readServerConfig(settings, { env: terminal.env, uid, homeDir: homedir() }),
      );
      const server = await startServer(config, terminal.signal);
      if (terminal.isInteractive) {
        terminal.note(
          `\nThe server is ready: ${server.url}\nIts key is in ${join(config.home, "server.json")}. Ctrl-C stops it.\n`,
        );
      }
      const stopCollecting = collectWhenIdle();
      if (!terminal.signal.aborted) await once(terminal.signal, "abort");
      stopCollecting();
      await server.close();
    });
}

/** A wrong setting comes before there is a log; whoever started the server and waits for it reads its stdout as one. */
function tellFatal<T>(terminal: Terminal, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!terminal.isInteractive) terminal.print(JSON.stringify({ fatal: toErrorJson(error) }));
    throw error;
  }
}
