const { parentPort } = require("node:worker_threads");
const { hashShare } = require("./hash-batch.cjs");

// A thread that helps with every batch that it is sent (src/image/file-hasher.ts).
const piece = Buffer.allocUnsafe(256 * 1024);
parentPort?.on("message", (/** @type {import("./hash-batch.cjs").HashBatch} */ batch) => hashShare(batch, piece));
