import { describe, expectTypeOf, it } from "vitest";
import type { z } from "zod";
import type * as checkpoints from "../../src/api/checkpoint-schemas";
import type * as records from "../../src/api/records";
import type * as schemas from "../../src/api/schemas";
import type { dirEntrySchema } from "../../src/image/dir-entry";
import type { DirEntry, ImageManifest, Step } from "../../src/image/image-manifest";
import type { manifestSchema } from "../../src/image/manifest";
import type { stepSchema } from "../../src/image/step";

/** Read-only all the way down, and every intersection one object. */
type Flat<T> = T extends readonly (infer U)[]
  ? readonly Flat<U>[]
  : T extends object
    ? { readonly [K in keyof T]: Flat<T[K]> }
    : T;
type Checked<S extends z.ZodType> = Flat<z.output<S>>;

// The compiler is what fails here: the schemas and the types that programs see are written twice and must stay one.
describe("types are what the schemas let through", () => {
  it("manifests", () => {
    expectTypeOf<Checked<typeof manifestSchema>>().toEqualTypeOf<Flat<ImageManifest>>();
    expectTypeOf<Checked<typeof stepSchema>>().toEqualTypeOf<Flat<Step>>();
    expectTypeOf<Checked<typeof dirEntrySchema>>().toEqualTypeOf<Flat<DirEntry>>();
  });

  it("records", () => {
    expectTypeOf<Checked<typeof schemas.snapshotInfoSchema>>().toEqualTypeOf<records.SnapshotInfo>();
    expectTypeOf<Checked<typeof schemas.sandboxInfoSchema>>().toEqualTypeOf<records.SandboxInfo>();
    expectTypeOf<Checked<typeof schemas.buildLogEventSchema>>().toEqualTypeOf<records.BuildLogEvent>();
    expectTypeOf<Checked<typeof schemas.execRequestSchema>>().toEqualTypeOf<records.ExecRequest>();
    expectTypeOf<Checked<typeof schemas.execResultSchema>>().toEqualTypeOf<records.ExecResult>();
    expectTypeOf<Checked<typeof schemas.fileInfoSchema>>().toEqualTypeOf<records.FileInfo>();
    expectTypeOf<Checked<typeof schemas.serverInfoSchema>>().toEqualTypeOf<records.ServerInfo>();
    expectTypeOf<Checked<typeof schemas.imagePlanSchema>>().toEqualTypeOf<Flat<records.ImagePlan>>();
    expectTypeOf<Checked<typeof schemas.collectedSchema>>().toEqualTypeOf<records.Collected>();
    expectTypeOf<Checked<typeof checkpoints.checkpointInfoSchema>>().toEqualTypeOf<records.CheckpointInfo>();
    expectTypeOf<Checked<typeof checkpoints.hibernationInfoSchema>>().toEqualTypeOf<records.HibernationInfo>();
  });
});
