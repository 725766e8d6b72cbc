const { createHash } = require("node:crypto");
const { closeSync, constants, fstatSync, openSync, readSync } = require("node:fs");

/*
 * Files that several threads hash together. Plain CommonJS, because worker threads load it without a compiler, from the
 * sources as well as from dist.
 */

/** Indices into {@link HashBatch.counters}. */
const NEXT = 0;
const DONE = 1;
const PROGRESS = 2;

/** What {@link HashBatch.states} says of a file; 0 is not hashed yet. */
const HASHED = 1;
const FAILED = 2;

const DIGEST_BYTES = 32;

/**
 * A batch, as every thread sees it: the names are copied to each, counters and results are shared memory.
 *
 * @typedef {object} HashBatch
 * @property {readonly string[]} files absolute paths
 * @property {readonly string[]} identities what {@link identityOf} said of each when it was found
 * @property {Int32Array} counters next file to take, files done, pieces read
 * @property {Uint8Array} states
 * @property {Uint8Array} digests 32 bytes a file
 */

/**
 * What must be the same for a file's bytes to be the same: `size mtimeNs ctimeNs inode device`.
 *
 * @param {import("node:fs").BigIntStats} stat
 */
function identityOf(stat) {
  return `${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.ino} ${stat.dev}`;
}

/**
 * SHA-256 of one file's bytes, read in pieces, or undefined if it is no longer the file with that identity.
 *
 * @param {string} file
 * @param {string} identity
 * @param {Buffer} piece where pieces are read into
 * @param {() => void} [onPiece]
 * @returns {Buffer | undefined}
 * @throws what the system says
 */
function hashFile(file, identity, piece, onPiece) {
  // Not to hang on a pipe that took the file's place; Windows has neither.
  const fd = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const hash = createHash("sha256");
    // A file that grows for ever has an end, too: where it should have ended.
    let left = Number.parseInt(identity, 10);
    while (left >= 0) {
      const length = readSync(fd, piece, 0, piece.length, null);
      if (length === 0) break;
      hash.update(length === piece.length ? piece : piece.subarray(0, length));
      left -= length;
      onPiece?.();
    }
    return identityOf(fstatSync(fd, { bigint: true })) === identity ? hash.digest() : undefined;
  } finally {
    closeSync(fd);
  }
}

/**
 * Takes files of the batch, one after the other, until all are taken; other threads do the same.
 *
 * @param {HashBatch} batch
 * @param {Buffer} piece
 */
function hashShare(batch, piece) {
  const onPiece = () => void Atomics.add(batch.counters, PROGRESS, 1);
  for (;;) {
    const index = Atomics.add(batch.counters, NEXT, 1);
    const file = batch.files[index];
    if (file === undefined) return;
    batch.states[index] = hashInto(batch, index, file, piece, onPiece);
    Atomics.add(batch.counters, DONE, 1);
    Atomics.notify(batch.counters, DONE);
  }
}

/**
 * @param {HashBatch} batch
 * @param {number} index
 * @param {string} file
 * @param {Buffer} piece
 * @param {() => void} onPiece
 */
function hashInto(batch, index, file, piece, onPiece) {
  try {
    const digest = hashFile(file, String(batch.identities[index]), piece, onPiece);
    if (digest === undefined) return FAILED;
    batch.digests.set(digest, index * DIGEST_BYTES);
    return HASHED;
  } catch {
    // Errors do not travel well between threads: whoever asked hashes the file again and gets its own.
    return FAILED;
  }
}

module.exports = { DIGEST_BYTES, DONE, HASHED, PROGRESS, hashFile, hashShare, identityOf };
