import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Engine } from "../../src/engines/engine";
import { createLocalEngine } from "../../src/engines/local/local-engine";
import { isOpenComputerError } from "../../src/errors";
import type { Step } from "../../src/image/image-manifest";
import { cacheHome } from "../../src/paths";
import { homeCensus } from "../../test/fixtures/home-census";
import { type RegistryFixture, startRegistryFixture } from "../../test/fixtures/registry";
import type { RegistryFault } from "../../test/fixtures/registry-faults";
import type { Experiment } from "../experiment";
import type { TortureRun } from "../torture-run";

const SHORT_ROUNDS = 4;
/** More wrong answers than anybody asks for. */
const FOR_EVER = 1_000;
const BUSY: readonly [RegistryFault, ...RegistryFault[]] = [429, 500, 502, 503, "reset"];
const BROKEN: readonly [RegistryFault, ...RegistryFault[]] = [...BUSY, "truncated", "corrupt"];

/** Something to install, what shows that it is there, and which answers may go wrong in which ways. */
interface Parcel {
  readonly step: Step;
  readonly proof: string;
  readonly answers: readonly (readonly [pathEnd: string, faults: readonly [RegistryFault, ...RegistryFault[]]])[];
}

const PARCELS: readonly [Parcel, ...Parcel[]] = [
  {
    step: { type: "apt_install", args: { packages: ["oc-hello=1.0"] } },
    proof: "oc-hello | grep -q 1.0",
    answers: [
      ["oc-hello_1.0_all.deb", BROKEN],
      ["Packages.gz", BROKEN],
    ],
  },
  {
    step: { type: "pip_install", args: { packages: ["oc-greet==1.0"] } },
    proof: "python3 -c 'import oc_greet; print(oc_greet.hello())' | grep -q 1.0",
    answers: [
      ["oc_greet-1.0-py3-none-any.whl", BROKEN],
      ["/oc-greet/", BUSY],
    ],
  },
];

/** `flakes`: registries that answer wrongly, for a while or for good. */
export const flakes: Experiment = {
  name: "flakes",
  promise:
    "A registry that fails in passing costs a build some seconds; one that fails for good fails the step, in words; what is installed is what was promised, and a layer is whole or not there.",
  method:
    "Packages are installed from an archive and an index on this machine whose answers go wrong at random: errors, cut connections, bytes that are missing or others. Where they go wrong once or twice, the build has to succeed and the package to work; where they always do, the build has to fail and name the step, and to succeed once the registry is well.",
  share: 2,
  async run(run) {
    const site = await FlakySite.open(run);
    for (let round = 0; run.size === "short" ? round < SHORT_ROUNDS : Date.now() < run.deadline; round += 1) {
      // One in three stays.
      if (round % 3 === 2) await site.failForGood(round);
      else await site.failInPassing(round);
      run.say(`${round + 1} registries that failed`);
    }
    await site.engine.stop();
    const { passing, lasting, answers, broken } = site;
    const counts = { "faults that passed": passing, "faults that stayed": lasting, "wrong answers": answers };
    return { counts, lost: [], leaked: homeCensus(site.home), broken };
  },
};

class FlakySite {
  passing = 0;
  lasting = 0;
  answers = 0;
  readonly broken: string[] = [];

  private constructor(
    private readonly run: TortureRun,
    private readonly registry: RegistryFixture,
    readonly engine: Engine,
    readonly home: string,
  ) {}

  static async open(run: TortureRun): Promise<FlakySite> {
    const registry = await startRegistryFixture();
    run.defer(() => registry.close());
    const home = join(run.dir, "home");
    mkdirSync(home);
    const packages = {
      OPENCOMPUTER_APT_SOURCES: registry.aptSourcesFile,
      PIP_INDEX_URL: registry.pipIndexUrl,
      PIP_TRUSTED_HOST: new URL(registry.url).hostname,
    };
    const cacheDir = cacheHome({ env: process.env, uid: 0, homeDir: homedir() });
    const engine = createLocalEngine({ home, cacheDir, runtime: "runc", hostEnv: { ...process.env, ...packages } });
    run.defer(() => engine.stop());
    await engine.start({ knownSandboxes: [], onProgress: () => undefined, signal: run.signal });
    return new FlakySite(run, registry, engine, home);
  }

  async failInPassing(round: number): Promise<void> {
    const { parcel, what } = this.spoil(this.run.between(1, 2));
    this.passing += 1;
    const error = await this.build(round, parcel);
    this.settle();
    if (error) this.broken.push(`round ${round}, ${what}: ${error.message}`);
  }

  async failForGood(round: number): Promise<void> {
    const { parcel, what } = this.spoil(FOR_EVER);
    this.lasting += 1;
    const error = await this.build(round, parcel);
    this.settle();
    if (error === null) this.broken.push(`round ${round}, ${what}: it was built`);
    else if (!isOpenComputerError(error, "build_failed") || !error.message.includes(parcel.step.type)) {
      this.broken.push(`round ${round}, ${what}: the error does not name the step: ${error.message}`);
    }
    const later = await this.build(round, parcel);
    if (later) this.broken.push(`round ${round}, ${what}, once the registry was well: ${later.message}`);
  }

  private spoil(times: number): { readonly parcel: Parcel; readonly what: string } {
    const { run, registry } = this;
    const parcel = run.pick(PARCELS);
    const [pathEnd, faults] = run.pick(parcel.answers as [Parcel["answers"][number]]);
    const fault = run.pick(faults);
    registry.fail(pathEnd, fault, times);
    return { parcel, what: `${fault} for ${pathEnd}${times === FOR_EVER ? ", always" : `, ${times} times`}` };
  }

  private settle(): void {
    const left = this.registry.pendingFaults();
    this.answers += left > FOR_EVER / 2 ? FOR_EVER - left : 1;
    this.registry.calm();
  }

  /** What it failed with; null where it did not. Each round has a key and a scope of its own, so everything is downloaded. */
  private build(round: number, { step, proof }: Parcel): Promise<Error | null> {
    const ground: Step = { type: "run", args: { commands: [`: ${round}`] } };
    const check: Step = { type: "run", args: { commands: [proof] } };
    return this.engine
      .build({
        manifest: { base: "base", steps: [ground, step, check] },
        scope: `flakes-${round}`,
        openBlob: async (digest) => {
          throw new Error(`no blob ${digest}`);
        },
        onLog: () => undefined,
        stepTimeoutMs: 120_000,
        signal: this.run.signal,
      })
      .then(
        () => null,
        (error: Error) => error,
      );
  }
}
