import { describe, expect, it } from "vitest";
import { OutputBuffer, OutputPool } from "../../src/server/services/output-buffer";

const MIB = 1024 * 1024;
const roomy = () => new OutputPool(64 * MIB);

describe("the output of a command", () => {
  it("is the newest of both streams together, up to the limit", () => {
    const output = new OutputBuffer(10, roomy());
    output.append("stdout", Buffer.from("abcdef"));
    output.append("stderr", Buffer.from("123"));
    expect([output.text("stdout"), output.text("stderr"), output.truncated]).toEqual(["abcdef", "123", false]);
    output.append("stderr", Buffer.from("456"));
    expect([output.text("stdout"), output.text("stderr"), output.truncated]).toEqual(["cdef", "123456", true]);
  });

  it("has what came last, after a flood on the other stream, too", () => {
    const output = new OutputBuffer(256 * 1024, roomy());
    output.append("stdout", Buffer.from("begin\n"));
    for (let at = 0; at < 100; at += 1) output.append("stderr", Buffer.alloc(10_000, "e"));
    output.append("stdout", Buffer.from("end\n"));
    expect([output.text("stdout"), output.truncated]).toEqual(["end\n", true]);
    expect(output.text("stderr").length).toBe(256 * 1024 - 4);
    output.append("stdout", Buffer.alloc(1_000_000, "o"));
    expect([output.text("stdout").length, output.text("stderr")]).toEqual([256 * 1024, ""]);
  });

  it("is whole across blocks and characters", () => {
    const output = new OutputBuffer(16 * MIB, roomy());
    const text = "äöü€🙂".repeat(20_000);
    for (const byte of Buffer.from(text)) output.append("stdout", Buffer.from([byte]));
    expect(output.text("stdout")).toBe(text);
    expect(output.truncated).toBe(false);
  });

  it("costs little more memory than it has bytes, also byte by byte on both streams", () => {
    const pool = roomy();
    const output = new OutputBuffer(16 * MIB, pool);
    for (let at = 0; at < 300_000; at += 1) output.append(at % 2 === 0 ? "stdout" : "stderr", Buffer.from("x"));
    expect(64 * MIB - pool.freeBytes).toBeLessThan(2 * 300_000);
    const small = roomy();
    new OutputBuffer(16 * MIB, small).append("stdout", Buffer.from("hello\n"));
    expect(64 * MIB - small.freeBytes).toBeLessThanOrEqual(256);
  });
});

describe("the outputs of many commands", () => {
  it("stay within what they share, and each keeps its end", () => {
    const pool = new OutputPool(2 * MIB);
    const outputs = Array.from({ length: 20 }, () => new OutputBuffer(16 * MIB, pool));
    for (let round = 0; round < 64; round += 1) {
      for (const output of outputs) output.append("stdout", Buffer.alloc(16 * 1024, String(round % 10)));
    }
    const sizes = outputs.map((output) => output.text("stdout").length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(2 * MIB + 20 * 64 * 1024);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(64 * 1024);
    expect(outputs.every((output) => output.truncated && output.text("stdout").endsWith("3"))).toBe(true);
    for (const output of outputs) output.release();
    for (const output of outputs) output.release();
    expect(pool.freeBytes).toBe(2 * MIB);
    outputs[0]?.append("stdout", Buffer.from("late"));
    expect(pool.freeBytes).toBe(2 * MIB);
  });

  it("are forgotten, the oldest first, where nobody asks for thousands of results", () => {
    const pool = roomy();
    const forgotten: number[] = [];
    for (let at = 0; at < 2_003; at += 1) pool.keepResult(() => forgotten.push(at));
    expect(forgotten).toEqual([0, 1, 2]);
  });
});
