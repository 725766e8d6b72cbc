import { defineConfig } from "vitest/config";

// Three projects, told apart by their file names: unit tests touch nothing outside the process,
// integration tests use the real engine and server, e2e tests the real Pulumi CLI.
const project = (name: string, include: string[], timeoutMs: number, exclude: string[] = []) => ({
  test: {
    name,
    include,
    exclude,
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    // Containers, mounts and one CPU pair are shared: heavy suites run one file at a time.
    fileParallelism: name === "unit",
    pool: "forks" as const,
  },
});

export default defineConfig({
  test: {
    projects: [
      project("unit", ["test/**/*.test.ts"], 20_000, ["test/**/*.integration.test.ts", "test/**/*.e2e.test.ts"]),
      project("integration", ["test/**/*.integration.test.ts"], 300_000),
      project("e2e", ["test/**/*.e2e.test.ts"], 900_000),
    ],
  },
});
