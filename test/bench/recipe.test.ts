import { expect, test } from "vitest";
import { type Recipe, toDockerfile, toImage } from "../../bench/recipe";

const RECIPE: Recipe = [
  { kind: "env", name: "STAGE", value: 'a "b"' },
  { kind: "apt", packages: ["one", "two"] },
  { kind: "pip", packages: ["three"] },
  { kind: "workdir", path: "/workspace" },
  { kind: "file", path: "/workspace/a.txt", text: "a" },
  { kind: "run", command: "echo done" },
];

test("both builders are asked for the same steps", () => {
  expect(
    toImage(RECIPE)
      .toJSON()
      .steps.map(({ type }) => type),
  ).toEqual(["env", "apt_install", "pip_install", "workdir", "add_file", "run"]);
  const { text, files } = toDockerfile(RECIPE);
  expect(text.split("\n")).toEqual([
    "FROM base",
    'ENV STAGE="a \\"b\\""',
    "RUN apt-get update && apt-get install -y one two && rm -rf /var/lib/apt/lists/*",
    "RUN python3 -m pip install --no-cache-dir three",
    "WORKDIR /workspace",
    "COPY file-4 /workspace/a.txt",
    "RUN echo done",
    "",
  ]);
  expect([...files]).toEqual([["file-4", "a"]]);
});
