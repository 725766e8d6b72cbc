// A stand-in for the command: `node fake-embedded.cjs serve --home HOME`. FAKE_PLAN says what it does:
// steps separated by `;` — `progress TEXT`, `sleep MS`, `fatal JSON`, `text TEXT`, `exit CODE`, `lock`, `ready`.
const { appendFileSync, writeFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { join } = require("node:path");
const Database = require("better-sqlite3");

const home = process.argv[process.argv.indexOf("--home") + 1] ?? "";
const info = { version: "0.1.0", engine: "fake", runtime: "none", runtimeVersion: "0", base: "none", baseDigest: "0" };
const say = (/** @type {object} */ line) => process.stdout.write(`${JSON.stringify(line)}\n`);

appendFileSync(
  join(home, "starts"),
  `${process.argv.slice(2).join(" ")}|${process.env.PULUMI_CONFIG_PASSPHRASE ?? ""}\n`,
);

function ready() {
  const server = createServer((request, response) => {
    const good = request.headers["x-api-key"] === "fake-key";
    response.writeHead(good ? 200 : 401, { "content-type": "application/json" });
    response.end(JSON.stringify(good ? info : { error: "invalid API key", code: "unauthorized" }));
  });
  server.listen(0, "127.0.0.1", () => {
    const address = /** @type {import("node:net").AddressInfo} */ (server.address());
    const card = { url: `http://127.0.0.1:${address.port}`, apiKey: "fake-key", pid: process.pid, version: "0.1.0" };
    writeFileSync(join(home, "server.json"), JSON.stringify(card), { mode: 0o600 });
  });
}

async function run() {
  for (const step of (process.env.FAKE_PLAN ?? "ready").split(";")) {
    const [verb = "", ...words] = step.trim().split(" ");
    const rest = words.join(" ");
    if (verb === "progress") say({ level: 30, progress: rest });
    if (verb === "fatal") say({ level: 60, fatal: JSON.parse(rest) });
    if (verb === "text") process.stdout.write(`${rest}\n`);
    if (verb === "sleep") await new Promise((resolve) => setTimeout(resolve, Number(rest)));
    if (verb === "exit") process.exit(Number(rest));
    if (verb === "lock") new Database(join(home, "server.lock")).exec("begin exclusive");
    if (verb === "ready") ready();
  }
}

run();
// Never outlives a test that forgot it.
setTimeout(() => process.exit(9), 15_000).unref();
