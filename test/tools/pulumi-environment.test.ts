import { expect, test } from "vitest";
import { explainPassphrase, pulumiDefaults } from "../../tools/pulumi-environment.mjs";

const facts = { cache: "/cache", project: "/clone", isLoggedIn: false };

test("someone new gets a backend in the project, and nothing in the home folder", () => {
  expect(pulumiDefaults({}, facts)).toEqual({
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_STACK: "dev",
    PULUMI_HOME: "/cache/pulumi",
    PULUMI_BACKEND_URL: "file:///clone",
    PULUMI_CONFIG_PASSPHRASE: "quickstart",
  });
});

test.each([
  ["a login keeps its home and backend", {}, true, ["PULUMI_HOME", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"]],
  ["a backend stays", { PULUMI_BACKEND_URL: "s3://b" }, false, ["PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"]],
  ["a home stays", { PULUMI_HOME: "/p" }, false, ["PULUMI_HOME"]],
  ["an empty passphrase is one", { PULUMI_CONFIG_PASSPHRASE: "" }, false, ["PULUMI_CONFIG_PASSPHRASE"]],
  ["a passphrase file stays", { PULUMI_CONFIG_PASSPHRASE_FILE: "/f" }, false, ["PULUMI_CONFIG_PASSPHRASE"]],
  ["a chosen stack stays", { PULUMI_STACK: "mine" }, false, ["PULUMI_STACK"]],
])("%s", (_case, env, isLoggedIn, untouched) => {
  const defaults = pulumiDefaults(env, { ...facts, isLoggedIn });
  for (const name of untouched) expect(defaults).not.toHaveProperty(name);
});

test("a folder name with a space makes a URL all the same", () => {
  expect(pulumiDefaults({}, { ...facts, project: "/my clone" })["PULUMI_BACKEND_URL"]).toBe("file:///my%20clone");
});

test("a wrong passphrase is explained with the backend and the way to the quickstart's own", () => {
  const text = explainPassphrase({ PULUMI_BACKEND_URL: "s3://b" });
  expect(text).toMatch(/^Stack dev \(backend s3:\/\/b, settings Pulumi\.dev\.yaml\) was\nmade with another passphrase/);
  expect(text).toContain(
    "mv Pulumi.dev.yaml Pulumi.dev.yaml.bak; env -u PULUMI_BACKEND_URL -u PULUMI_CONFIG_PASSPHRASE -u PULUMI_CONFIG_PASSPHRASE_FILE npm start",
  );
});
