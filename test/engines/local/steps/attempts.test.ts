import { expect, test, vi } from "vitest";
import { isPassingAptError } from "../../../../src/engines/local/steps/apt-packages";
import { type Attempt, attemptDownload } from "../../../../src/engines/local/steps/attempts";
import { isPassingPipError, runsCode } from "../../../../src/engines/local/steps/pip-packages";
import type { StepContext } from "../../../../src/engines/local/steps/step-context";

const unused = async () => Promise.reject(new Error("not used here"));

function contextOf(log: string[], signal = new AbortController().signal): StepContext {
  return {
    ...{ env: {}, workdir: null, signal, wasLent: false, log: (line: string) => log.push(line) },
    ...{ run: unused, ask: unused, openBlob: unused, lendArchive: async () => false },
    ...{ sealLists: async () => undefined, distrustResponses: () => undefined },
    fail: (what, exitCode) => new Error(`${what} ${exitCode}`),
  };
}

const outcome = (exitCode: number, passing: string | null): Attempt => ({ what: "it", exitCode, passing });

test.each([
  ["success", [outcome(0, null)], 1, null],
  ["what passes", [outcome(1, "502"), outcome(1, "reset"), outcome(0, null)], 3, null],
  ["what does not pass at all", [outcome(1, "502"), outcome(2, "502"), outcome(3, "502")], 3, "it 3"],
  ["what is final", [outcome(9, null)], 1, "it 9"],
  ["what is final the second time", [outcome(1, "502"), outcome(7, null)], 2, "it 7"],
])("%s", async (_, outcomes, tries, failure) => {
  const log: string[] = [];
  const attempt = vi.fn(async (number: number) => outcomes[number - 1] ?? outcome(0, null));
  const done = attemptDownload(contextOf(log), attempt, [1, 2]).then(
    () => null,
    (error: Error) => error.message,
  );
  expect(await done).toBe(failure);
  expect(attempt).toHaveBeenCalledTimes(tries);
  expect(log).toHaveLength(tries - 1);
});

test("the wait for the next attempt ends with the build", async () => {
  const controller = new AbortController();
  const waiting = attemptDownload(contextOf([], controller.signal), async () => outcome(1, "503"));
  controller.abort();
  await expect(waiting).rejects.toThrow();
});

test.each([
  [true, "E: Failed to fetch http://h/pool/a.deb  404  Not Found [IP: 192.0.2.1 80]"],
  [true, "E: Failed to fetch http://h/pool/a.deb  Hash Sum mismatch"],
  [true, "W: Failed to fetch http://h/dists/x/InRelease  Could not connect to h:80 (192.0.2.1)."],
  [true, "E: Some index files failed to download. They have been ignored, or old ones used instead."],
  [false, "E: Unable to locate package nonesuch"],
  [false, "E: Version '9' for 'a' was not found"],
  [false, "E: Package 'a' has no installation candidate"],
  [false, "E: The repository 'http://h x Release' does not have a Release file."],
  [false, "E: Sub-process /usr/bin/dpkg returned an error code (1)"],
  [false, "Setting up a (1.0): Failed to fetch something of its own"],
])("apt, passes %s: %s", (passes, line) => {
  expect(isPassingAptError(line)).toBe(passes);
});

test.each([
  [true, "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated"],
  [true, "ERROR: HTTP error 503 while getting http://h/a.whl"],
  [true, "Could not fetch URL http://h/a/: 502 Server Error: Bad Gateway for url: http://h/a/ - skipping"],
  [true, "pip._vendor.urllib3.exceptions.ProtocolError: ('Connection broken: IncompleteRead(5 bytes read)'"],
  [true, "ERROR: Wheel 'a' located at /tmp/a.whl is invalid."],
  [false, "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError': /a/"],
  [false, "Could not fetch URL http://h/a/: 404 Client Error: Not Found for url: http://h/a/ - skipping"],
  [false, "ERROR: HTTP error 404 while getting http://h/a.whl"],
  [false, "ERROR: No matching distribution found for nonesuch"],
])("pip, passes %s: %s", (passes, line) => {
  expect(isPassingPipError(line)).toBe(passes);
});

test.each([
  ["  Preparing metadata (setup.py): started", true],
  ["  Preparing metadata (pyproject.toml): started", true],
  ["  Installing build dependencies: started", true],
  ["  Getting requirements to build wheel: started", true],
  ["  Building wheel for evil (setup.py): started", true],
  ["    Running setup.py install for evil: started", true],
  ["  Cloning https://example.com/evil to /tmp/x", true],
  ["  Running command git clone -q https://example.com/evil", true],
  ["  Downloading evil-1.0.tar.gz (2 kB)", true],
  ["  Using cached evil-1.0.zip (2 kB)", true],
  ["Collecting oc-greet", false],
  ["  Downloading oc_greet-1.0-py3-none-any.whl (1 kB)", false],
  ["Installing collected packages: oc-greet", false],
  ["Successfully installed oc-greet-1.0", false],
])("%s: code of a package %s", (line, expected) => {
  expect(runsCode(line)).toBe(expected);
});
