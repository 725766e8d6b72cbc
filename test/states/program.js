// @ts-nocheck: what the package exports is put above it by the test.
// The program whose states are kept here; `Image`, `Snapshot` and `Sandbox` are the package's.
const pulumi = require("@pulumi/pulumi");

const image = Image.base()
  .addFile("/workspace/greeting.txt", "hello\n")
  .runCommands("mkdir -p /workspace/out", "cp /workspace/greeting.txt /workspace/out")
  .env({ STAGE: "prod" })
  .workdir("/workspace");
const automatic = new Snapshot("automatic", { image });
const explicit = new Snapshot("explicit", { image, name: "states-explicit", stepTimeoutSeconds: 600 });
const token = pulumi.secret("s3cr3t-token");
new Snapshot("secret", { image: token.apply((value) => Image.base().env({ TOKEN: value })) });
new Sandbox("agent", { snapshot: automatic.name, timeout: 3600, envs: { TOKEN: token }, metadata: { team: "data" } });
new Sandbox("plain", { snapshot: explicit.name, memoryMB: 512 });
exports.name = automatic.name;
