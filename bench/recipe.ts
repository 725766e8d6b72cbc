import { Image } from "../src/image/image";

/** One step of an image, in words that every builder knows. */
export type RecipeStep =
  | { readonly kind: "env"; readonly name: string; readonly value: string }
  | { readonly kind: "workdir"; readonly path: string }
  | { readonly kind: "apt"; readonly packages: readonly string[] }
  | { readonly kind: "pip"; readonly packages: readonly string[] }
  | { readonly kind: "file"; readonly path: string; readonly text: string }
  | { readonly kind: "run"; readonly command: string };

/** An image that several builders are asked for. */
export type Recipe = readonly RecipeStep[];

/** The recipe for us. */
export function toImage(recipe: Recipe): Image {
  return recipe.reduce(withStep, Image.base());
}

function withStep(image: Image, step: RecipeStep): Image {
  switch (step.kind) {
    case "env":
      return image.env({ [step.name]: step.value });
    case "workdir":
      return image.workdir(step.path);
    case "apt":
      return image.aptInstall(step.packages);
    case "pip":
      return image.pipInstall(step.packages);
    case "file":
      return image.addFile(step.path, step.text);
    case "run":
      return image.runCommands(step.command);
    default:
      return assertNever(step);
  }
}

/** The recipe as a Dockerfile with the files that it copies, by name. */
export interface Dockerfile {
  readonly text: string;
  readonly files: ReadonlyMap<string, string>;
}

/** The recipe for BuildKit, as the documentation of Dockerfiles has it; the base is called `base`. */
export function toDockerfile(recipe: Recipe): Dockerfile {
  const files = new Map<string, string>();
  const lines = recipe.map((step, index) => {
    if (step.kind === "file") files.set(`file-${index}`, step.text);
    return toLine(step, index);
  });
  return { text: ["FROM base", ...lines, ""].join("\n"), files };
}

function toLine(step: RecipeStep, index: number): string {
  switch (step.kind) {
    case "env":
      return `ENV ${step.name}=${JSON.stringify(step.value)}`;
    case "workdir":
      return `WORKDIR ${step.path}`;
    case "apt":
      return `RUN apt-get update && apt-get install -y ${step.packages.join(" ")} && rm -rf /var/lib/apt/lists/*`;
    case "pip":
      return `RUN python3 -m pip install --no-cache-dir ${step.packages.join(" ")}`;
    case "file":
      return `COPY file-${index} ${step.path}`;
    case "run":
      return `RUN ${step.command}`;
    default:
      return assertNever(step);
  }
}

function assertNever(value: never): never {
  throw new Error(`no such step: ${JSON.stringify(value)}`);
}
