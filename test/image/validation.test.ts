import { describe, expect, it } from "vitest";
import { isOpenComputerError, type Problem } from "../../src/errors";
import { contentHash, digestOf } from "../../src/image/hash";
import { Image } from "../../src/image/image";
import { parseManifest } from "../../src/image/manifest";

function problemsOf(attempt: () => unknown): readonly Problem[] {
  try {
    attempt();
    return [];
  } catch (error) {
    if (!isOpenComputerError(error, "invalid_input")) throw error;
    return error.details["problems"] as Problem[];
  }
}
const linesOf = (image: Image) => problemsOf(() => image.toJSON()).map(({ path, message }) => `${path}: ${message}`);
const base = () => Image.base();
const name = (bytes: number) => "é".repeat(Math.floor(bytes / 2)) + "x".repeat(bytes % 2);

describe("packages", () => {
  it.each([
    ...["jq", "g++", "libstdc++", "memtest86+", "libc6:amd64", "jq=1.6-2.1", "jq=1:1.6~rc1+b1", "jq/jammy-updates"],
  ])("apt takes %s", (one) => {
    expect(linesOf(base().aptInstall([one]))).toEqual([]);
  });

  it.each<[string, string]>([
    ["jq-", "tells apt to remove"],
    ["jq-=1.6", "tells apt to remove"],
    ["jq=1.6-", "tells apt to remove"],
    ["jq=1.6+", "is not an apt package"],
    ["jq=1.6:", "is not an apt package"],
    ["jq=", "is not an apt package"],
    ["jq/jammy-", "tells apt to remove"],
  ])("apt does not take %s", (one, problem) => {
    expect(linesOf(base().aptInstall([one]))).toEqual([expect.stringContaining(problem)]);
  });

  it.each([
    ...["pandas", "a_b.c-d", "pandas>=2,<3", "uvicorn[standard]==0.30.1", "a[]", "a (>=2)", "a(>=2,<3)", "a>=2,"],
    ...["a==1.*", "a!=1.0.*", "a~=1.4", "a~=1.4.post1", "a==1.0+cu118", "a===any-thing", "a==v1!2.0rc1.post1.dev2"],
    ...["a==1.0-1", "a<2dev", "a ; python_version<'3'", "a>=1;python_version>='3.8'and os_name=='nt'"],
    ...['pkg[extra1, extra2]>=1,!=1.5 ; python_version<"3.12"', "a; 'x' not in platform_version"],
    ...["a; (python_version>'3' and os_name=='posix') or extra == 'x'", "a @ https://x.y/a.whl ; os_name == 'nt'"],
    ...["a @ git+https://github.com/a/b@v1", "a[x]@https://x.y/a.whl", "a @ file:///opt/a.whl"],
    ...["https://x.y/a.whl", "git+https://github.com/a/b"],
  ])("pip takes %s", (one) => {
    expect(linesOf(base().pipInstall([one]))).toEqual([]);
  });

  it.each<[string, string]>([
    ["pandas=1.0", "did you mean pandas==1.0?"],
    ["pandas[a] 1.0", "did you mean pandas[a]==1.0?"],
    ["pandas=>2", "did you mean pandas>=2?"],
    ...["pandas==", "pandas>>1", "pandas>=2,<", "pandas(x", "pandas==1.0 garbage here", "a>=1 <2", "a,", "a-"].map(
      (one): [string, string] => [one, "expected versions"],
    ),
    ...["a~=1", "a~=1.4+x", "a>=1.0.*", "a>=1.0+x", "a==1.0x", "a==.1", "a<1,,", "a==*"].map(
      (one): [string, string] => [one, "expected versions"],
    ),
    ...["pandas;", "a; python_version", "a>=1; 3.8", "a; os_name == 'nt' and"].map((one): [string, string] => [
      one,
      "expected a marker",
    ]),
    ...["pandas @", "a @ ./x", "a @ https://x.y/a.whl garbage"].map((one): [string, string] => [one, "expected a URL"]),
    ...["a[b c]", "a[b,]", "a[-]"].map((one): [string, string] => [one, "expected extras"]),
    ...["--index-url=http://x", "./a.whl", "/a.whl", "", "[a]"].map((one): [string, string] => [
      one,
      "expected one such",
    ]),
  ])("pip does not take %s", (one, problem) => {
    expect(linesOf(base().pipInstall([one]))).toEqual([expect.stringContaining(problem)]);
  });
});

describe("what the system does not take", () => {
  it.each<[string, Image, string]>([
    ["the root as a file", base().addFile("/", ""), "steps[0].args.path: must name the file"],
    ["a file with a directory's name", base().addFile("/workspace/", ""), "steps[0].args.path: must name the file"],
    ["a name of 256 bytes", base().workdir(`/${name(256)}`), "name of more than 255 bytes"],
    ["a path of 4096 bytes", base().workdir(`/${name(255)}`.repeat(16)), "at most 4095 bytes"],
    ["NUL in a command", base().runCommands("a\0b"), "NUL"],
    ["a command of 128 KiB", base().runCommands("x".repeat(131_072)), "at most 131071 bytes"],
    ["a variable of 128 KiB", base().env({ A: "x".repeat(131_070) }), "steps[0].args.vars.A: must have, with its name"],
    ["an owner that there cannot be", base().addFile("/a", "", { owner: "root:65536" }), "a number above 65535"],
    ["a mode without 0o", base().addFile("/a", "", { mode: 644 }), 'as a number 0o640; got "644"'],
    ["a mode without 0o below 0o777", base().addFile("/a", "", { mode: 400 }), 'got "400"'],
  ])("%s is refused", (_what, image, problem) => {
    expect(linesOf(image)).toEqual([expect.stringContaining(problem)]);
  });

  it("up to there all is well", () => {
    const image = base()
      .workdir(`/${name(255)}`)
      .workdir(`/${name(254)}`.repeat(16))
      .runCommands("x".repeat(131_071))
      .env({ A: "x".repeat(131_069) });
    const modes = [0o644, 0o755, 0o600, 0o770, 0o711, 0o1777, 0o4755, 0o400, 0o440, 0o444, 0o500, 0o550, 0o777];
    expect(linesOf(modes.reduce((one, mode) => one.addFile("/a", "", { mode, owner: "65535:0" }), image))).toEqual([]);
  });
});

describe("a file in the place of a directory", () => {
  const file = () => base().addFile("/a", "");
  it.each<[string, Image, string]>([
    ["a file below it", file().addFile("/a/b", ""), "needs the directory /a, which step 1 made a file"],
    ["a directory there", file().env({}).workdir("/a"), "needs the directory /a, which step 1 made a file"],
    ["a directory far below", file().workdir("/a/b/c"), "needs the directory /a, which step 1 made a file"],
    ["the other way round", base().addFile("/a/b", "").addFile("/a", ""), "into which step 1 put /a/b"],
  ])("is told: %s", (_what, image, problem) => {
    expect(linesOf(image)).toEqual([expect.stringContaining(problem)]);
  });

  it.each<[string, Image]>([
    ["after commands", file().runCommands("rm /a").workdir("/a")],
    ["after packages", file().aptInstall(["jq"]).workdir("/a")],
    ["beside it", file().addFile("/ab/c", "").addFile("/a", "other")],
  ])("is not feared %s", (_what, image) => {
    expect(linesOf(image)).toEqual([]);
  });
});

describe("a service", () => {
  const start = (command: string, options = {}) => base().startCommand(command, options);
  it.each<[string, Image, string]>([
    ["without a command", start(""), "steps[0].args.command: must not be empty"],
    ["with NUL in it", start("a\0b"), "steps[0].args.command: must not contain a NUL byte"],
    ["of 128 KiB", start("x".repeat(131_072)), "at most 131071 bytes"],
    ["with an empty ready command", start("a", { readyCommand: "" }), "steps[0].args.readyCommand: must not be empty"],
    ["that is waited for for ever", start("a", { readyCommand: "b", readyTimeoutSeconds: 0 }), "must be at least 1"],
    ["that is waited for for hours", start("a", { readyCommand: "b", readyTimeoutSeconds: 3601 }), "at most 3600"],
    [
      "that nobody waits for",
      start("a", { readyTimeoutSeconds: 5 }),
      "steps[0].args.readyTimeoutSeconds: needs a ready",
    ],
    ["with an option that there is not", start("a", { ready: "b" }), "there are readyCommand, readyTimeoutSeconds"],
    ["with options that are none", start("a", null as never), "the options must be an object"],
    ["before another step", start("a").env({}), "steps[0]: must be the last step of the image"],
    ["beside another one", start("a").startCommand("b"), "steps[0]: must be the last step of the image"],
  ])("%s is refused", (_what, image, problem) => {
    expect(linesOf(image)).toEqual([expect.stringContaining(problem)]);
  });

  it("has all its problems told at once", () => {
    const image = start("", { readyCommand: "\0", readyTimeoutSeconds: -1 }).workdir("relative");
    expect(linesOf(image).map((line) => line.split(":")[0])).toEqual([
      ...["steps[0].args.command", "steps[0].args.readyCommand", "steps[0].args.readyTimeoutSeconds", "steps[0]"],
      "steps[1].args.path",
    ]);
  });

  it("may be anything that a shell takes, with limits that are absent where they are not given", () => {
    const image = start("exec server 'a b' >log 2>&1 &", { readyCommand: undefined });
    expect(image.toJSON().steps).toEqual([
      { type: "start_command", args: { command: "exec server 'a b' >log 2>&1 &" } },
    ]);
    expect(linesOf(start("x".repeat(131_071), { readyCommand: "a", readyTimeoutSeconds: 3600 }))).toEqual([]);
  });
});

describe("the report", () => {
  it("has all problems, in the order of the steps, with the numbers of plans and logs", () => {
    let image = base().aptInstall(["jq"]).pipInstall(["pandas=1"]).addLocalFile("/nowhere/x", "relative");
    for (let count = 0; count < 98; count++) image = image.env({});
    const problems = problemsOf(() => image.toJSON());
    expect(problems.map(({ path, where }) => [path, where])).toEqual([
      ["steps", undefined],
      ["steps[1].args.packages[0]", "step 2, pip_install"],
      ["steps[2]", "step 3, add_file"],
      ["steps[2].args.path", "step 3, add_file"],
    ]);
    expect(() => image.toJSON()).toThrow("steps[1].args.packages[0] (step 2, pip_install): is not a pip requirement");
  });

  it("of thousands of steps is one line", () => {
    const steps = Array.from({ length: 5000 }, () => ({}));
    expect(problemsOf(() => parseManifest({ base: "base", steps }))).toEqual([
      { path: "steps", message: expect.stringContaining("at most 100 steps") },
    ]);
  });
});

describe("what a program may say", () => {
  class Output {
    apply() {
      return this;
    }
  }
  const output = new Output();
  const any = (value: unknown) => value as never;
  const known = "there are ignore, include, followSymlinks, mode, owner";
  it.each<[string, Image, string]>([
    ["an unknown option", base().addFile("/a", "", any({ perm: "0600" })), "no option perm; there are mode, owner"],
    ["an unknown option of a directory", base().addLocalDir(".", "/a", any({ exclude: ["*"], include: [] })), known],
    ["patterns that are no list", base().addLocalDir(".", "/a", any({ ignore: "*" })), "option ignore must be a list"],
    ["a flag that is none", base().addLocalDir(".", "/a", any({ followSymlinks: 1 })), "must be true or false"],
    ["no options", base().addLocalDir(".", "/a", any(null)), "the options must be an object"],
    ["no options of a file", base().addLocalFile(__filename, "/a", any(null)), "the options must be an object"],
    ["no local path", base().addLocalDir(any(undefined), "/a"), "the local path must be a string"],
    ["an empty local path", base().addLocalFile("", "/a"), "the local path must be a string"],
    ["no path", base().addFile(any(undefined), ""), "steps[0].args.path: is missing"],
    ["no packages", base().aptInstall(any(null)), "must be a list"],
    ["a variable that would be lost", base().env({ ["__proto__"]: "x" }), "__proto__"],
    ["an Output as a value", base().env({ A: any(output) }), "output.apply((v) => Image"],
    ["an Output as the values", base().env(any(output)), "output.apply((v) => Image"],
    ["an Output as content", base().addFile("/a", any(output)), "output.apply((v) => Image"],
    ["an Output as a path", base().workdir(any(output)), "output.apply((v) => Image"],
  ])("is checked: %s", (_what, image, problem) => {
    expect(linesOf(image)).toEqual([expect.stringContaining(problem)]);
  });
});

describe("manifests of others", () => {
  const digest = digestOf("");
  const dir = (...entries: object[]) => [{ type: "add_dir", args: { path: "/d", entries } }];
  const parse = (steps: object[], more = {}) => parseManifest({ base: "base", steps, ...more });

  it.each<[string, object[], string]>([
    [
      "a directory that is not empty",
      dir({ kind: "dir", path: "a" }, { kind: "file", path: "a/b", digest }),
      "only an empty",
    ],
    [
      "a file that holds another",
      dir({ kind: "file", path: "a", digest }, { kind: "dir", path: "a/b/c" }),
      "a file of",
    ],
    [
      "a link that holds a file",
      dir({ kind: "link", path: "a", target: "x" }, { kind: "dir", path: "a/b" }),
      "a link of",
    ],
    ["NUL in a link", dir({ kind: "link", path: "a", target: "x\0" }), "NUL"],
    ["a link of 4096 bytes", dir({ kind: "link", path: "a", target: name(4096) }), "at most 4095"],
  ])("have no second spelling: %s", (_what, steps, problem) => {
    expect(problemsOf(() => parse(steps)).map(({ message }) => message)).toEqual([expect.stringContaining(problem)]);
  });

  it("have one hash where a mode decides, whatever they say is executable", () => {
    for (const mode of ["0644", "0755"]) {
      const hashes = [{}, { executable: true }, { executable: false }].map((said) => {
        const file = { kind: "file", path: "x", digest, ...said };
        return contentHash(
          parse([
            { type: "add_file", args: { path: "/a", digest, mode, ...said } },
            { type: "add_dir", args: { path: "/d", entries: [file], mode } },
          ]),
        );
      });
      expect(new Set(hashes).size).toBe(1);
    }
  });

  it("may say that they are version 1, which changes nothing; another is refused", () => {
    expect(contentHash(parse([], { version: 1 }))).toBe(contentHash(parse([])));
    expect(problemsOf(() => parse([], { version: 2 }))).toEqual([
      { path: "version", message: "must be 1: this release knows no other version of manifests; got 2" },
    ]);
  });
});
