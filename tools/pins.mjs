/**
 * What the tools fetch, and at which version. One place, so that a raised pin is one line: every fetched thing lives in
 * a folder that carries its version, so a new pin is fetched anew and the old one simply stops being used.
 */

/** The oldest versions that work. */
export const MINIMUM = Object.freeze({
  /** The first Node.js 20 that can `require()` an ES module. */
  node: "20.19.0",
  /** The first CLI that honours the inputs a dynamic provider returns from `read`. */
  pulumi: "3.216.0",
  /** The first Go that fetches by itself the newer Go that a module asks for. */
  go: "1.21.0",
});

/** What images are built with beside us, for comparison alone. */
export const BUILDKIT_VERSION = "v0.34.2";

/** The Pulumi CLI that is fetched where none is installed. */
export const PULUMI_VERSION = "3.250.0";

/**
 * @typedef {object} GoTool
 * @property {string} package The main package to build.
 * @property {string} version Module version.
 * @property {string} [ldflags]
 * @property {string} [tags]
 * @property {Readonly<Record<string, string>>} [env]
 * @property {string} takes What a first build takes on two cores, for the progress message.
 */

/**
 * Programs that can be built from Go modules alone, where their vendors' download sites cannot be reached. The language
 * host is older than the CLI on purpose: it is the last one whose module resolves without its repository, and the
 * protocol between the two is stable.
 *
 * @type {Readonly<Record<"pulumi" | "pulumi-language-nodejs" | "runsc" | "runc" | "buildkitd" | "buildctl", GoTool>>}
 */
export const GO_TOOLS = Object.freeze({
  pulumi: {
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    version: `v${PULUMI_VERSION}`,
    ldflags: `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${PULUMI_VERSION}`,
    takes: "about four minutes",
  },
  "pulumi-language-nodejs": {
    package: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
    version: "v3.68.0",
    takes: "about half a minute",
  },
  runsc: {
    package: "gvisor.dev/gvisor/runsc",
    version: "v0.0.0-20260905035102-160fafc42237",
    ldflags: "-X gvisor.dev/gvisor/runsc/version.version=v0.0.0-20260905035102-160fafc42237",
    env: { CGO_ENABLED: "0" },
    takes: "about two minutes",
  },
  runc: {
    package: "github.com/opencontainers/runc",
    version: "v1.5.2",
    // Names of users and hosts without the C library, which loads parts of itself at run time.
    tags: "seccomp,urfave_cli_no_docs,netgo,osusergo",
    env: { CGO_ENABLED: "1" },
    takes: "about a minute",
  },
  buildkitd: {
    package: "github.com/moby/buildkit/cmd/buildkitd",
    version: BUILDKIT_VERSION,
    ldflags: `-X github.com/moby/buildkit/version.Version=${BUILDKIT_VERSION}`,
    env: { CGO_ENABLED: "0" },
    takes: "about two minutes",
  },
  buildctl: {
    package: "github.com/moby/buildkit/cmd/buildctl",
    version: BUILDKIT_VERSION,
    ldflags: `-X github.com/moby/buildkit/version.Version=${BUILDKIT_VERSION}`,
    env: { CGO_ENABLED: "0" },
    takes: "less than a minute",
  },
});
