import { z } from "zod";

const specSchema = z.looseObject({
  mounts: z.array(z.looseObject({ destination: z.string() })),
  linux: z.looseObject({}),
});

type Spec = z.infer<typeof specSchema>;

/** What is the new container's own: name, root, network, limits. */
const OWN = ["hostname", "root"] as const;
const OWN_LINUX = ["namespaces", "cgroupsPath", "resources"] as const;

/**
 * The configuration of a container that goes on from memory: that of the one whose memory it was, because gVisor takes no
 * other and running programs have their files open by it, with what is the new container's own in its place.
 *
 * @param own destinations of mounts that each container has of its own
 */
export function restoredSpec(saved: unknown, fresh: object, own: readonly string[]): object {
  const [old, now] = [specSchema.parse(saved), specSchema.parse(fresh)];
  const mountOf = (spec: Spec, wanted: string) => spec.mounts.find(({ destination }) => destination === wanted);
  const mounts = old.mounts.map((mount) =>
    own.includes(mount.destination) ? (mountOf(now, mount.destination) ?? mount) : mount,
  );
  return { ...old, ...pick(now, OWN), mounts, linux: { ...old.linux, ...pick(now.linux, OWN_LINUX) } };
}

function pick(from: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, from[name]]));
}
