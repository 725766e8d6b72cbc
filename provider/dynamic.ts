import type { dynamic } from "@pulumi/pulumi";

/**
 * The providers that Pulumi serialises into every resource's state. Their text must never change and never capture
 * anything: each method is a literal detour to the package that is installed when it runs. So no import, no `this`, no
 * constant, no helper may appear in a method; test/provider/dynamic.test.ts compares the built text to the letter.
 */

export const snapshotProvider: dynamic.ResourceProvider = {
  configure(request) {
    return require("pulumi-opencomputer/provider").snapshot.configure(request);
  },
  check(olds, news) {
    return require("pulumi-opencomputer/provider").snapshot.check(olds, news);
  },
  diff(id, olds, news) {
    return require("pulumi-opencomputer/provider").snapshot.diff(id, olds, news);
  },
  create(inputs) {
    return require("pulumi-opencomputer/provider").snapshot.create(inputs);
  },
  read(id, props) {
    return require("pulumi-opencomputer/provider").snapshot.read(id, props);
  },
  update(id, olds, news) {
    return require("pulumi-opencomputer/provider").snapshot.update(id, olds, news);
  },
  delete(id, props) {
    return require("pulumi-opencomputer/provider").snapshot.delete(id, props);
  },
};

export const sandboxProvider: dynamic.ResourceProvider = {
  configure(request) {
    return require("pulumi-opencomputer/provider").sandbox.configure(request);
  },
  check(olds, news) {
    return require("pulumi-opencomputer/provider").sandbox.check(olds, news);
  },
  diff(id, olds, news) {
    return require("pulumi-opencomputer/provider").sandbox.diff(id, olds, news);
  },
  create(inputs) {
    return require("pulumi-opencomputer/provider").sandbox.create(inputs);
  },
  read(id, props) {
    return require("pulumi-opencomputer/provider").sandbox.read(id, props);
  },
  update(id, olds, news) {
    return require("pulumi-opencomputer/provider").sandbox.update(id, olds, news);
  },
  delete(id, props) {
    return require("pulumi-opencomputer/provider").sandbox.delete(id, props);
  },
};
