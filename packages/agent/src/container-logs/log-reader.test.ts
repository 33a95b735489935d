/** Streams that real engines sent, whole and in pieces. The captures stand outside of the repository; without them these tests are skipped. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ContainerLogReader } from "./log-reader.ts";
import type { ContainerLogLine } from "./log-reader.ts";

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../../shared");
const CAPTURES = join(SHARED, "captures");
const skip = existsSync(CAPTURES)
  ? false
  : "no captures here: set FINCH_SHARED to the folder that has them";

const TIME = "2026-11-20T17:29:02.305927407Z";
const NS = 1_795_195_742_305_927_407n;

function frame(kind: number, payload: string): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header[0] = kind;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

function readAll(bytes: Buffer, isTty: boolean, step = bytes.length): ContainerLogLine[] {
  const reader = new ContainerLogReader({ isTty });
  const lines: ContainerLogLine[] = [];
  for (let at = 0; at < bytes.length; at += step)
    lines.push(...reader.push(bytes.subarray(at, at + step)));
  return [...lines, ...reader.finish()];
}

describe("the log stream of a container", () => {
  test("frames, at whatever place the network cuts them", () => {
    const bytes = Buffer.concat([
      frame(1, `${TIME} täxt\n`),
      frame(2, `${TIME} err\r\n`),
      frame(1, `2026-11-20T19:29:03+02:00 whole second\n`),
      frame(1, `${TIME} \n`),
    ]);
    const expected = [
      { stream: "stdout", timestampNs: NS, line: "täxt" },
      { stream: "stderr", timestampNs: NS, line: "err" },
      { stream: "stdout", timestampNs: 1_795_195_743_000_000_000n, line: "whole second" },
      { stream: "stdout", timestampNs: NS, line: "" },
    ];
    for (let step = 1; step <= bytes.length; step++)
      assert.deepEqual(readAll(bytes, false, step), expected);
  });
  test("a line in several messages is one, also with the other stream between", () => {
    const bytes = Buffer.concat([
      frame(1, `${TIME} begin,`),
      frame(2, `${TIME} other\n`),
      frame(1, `${TIME} middle,`),
      frame(1, `${TIME} end\n`),
      frame(1, `${TIME} no end`),
    ]);
    assert.deepEqual(
      readAll(bytes, false).map(({ line }) => line),
      ["other", "begin,middle,end", "no end"],
    );
  });
  test("a line without end comes in pieces of a bounded size", () => {
    const piece = "x".repeat(16_384);
    const bytes = Buffer.concat(Array.from({ length: 200 }, () => frame(1, `${TIME} ${piece}`)));
    const lines = readAll(bytes, false);
    assert.ok(lines.every(({ line }) => line.length <= 1 << 20));
    assert.equal(lines.map(({ line }) => line).join(""), piece.repeat(200));
  });
  test("a terminal's long line loses the times between its pieces", () => {
    const [a, b] = ["a".repeat(16_384), "b".repeat(16_384)];
    const bytes = Buffer.from(`${TIME} ${a}${TIME} ${b}${TIME} c\r\n${TIME} next\r\n`);
    assert.deepEqual(
      readAll(bytes, true).map(({ line }) => line),
      [`${a}${b}c`, "next"],
    );
  });
  test("what the engine reports, and what is no log stream, is a fault", () => {
    assert.throws(() => readAll(frame(3, "log driver does not support reading"), false), {
      code: "agent/docker-log",
      message: "log driver does not support reading",
    });
    assert.throws(() => readAll(Buffer.from("<html><body>"), false), { code: "agent/docker-log" });
  });
  test("a message without a time has the one before", () => {
    const reader = new ContainerLogReader({ isTty: false });
    const lines = reader.push(
      Buffer.concat([frame(1, `${TIME} a\n`), frame(1, "stack trace of the driver\n")]),
    );
    assert.deepEqual(lines[1], {
      stream: "stdout",
      timestampNs: NS,
      line: "stack trace of the driver",
    });
    assert.equal(reader.timesMissing, 1);
  });
});

describe("captured log streams", { skip }, () => {
  const cases: readonly {
    readonly file: string;
    readonly isTty: boolean;
    readonly first: string;
    readonly longest: number;
  }[] = [
    {
      file: "docker/logs-follow-multiplexed.bin",
      isTty: false,
      first: "err line 132",
      longest: 12,
    },
    { file: "docker/logs-40k-line.bin", isTty: false, first: "", longest: 40_000 },
    { file: "docker28/logs-tty1.bin", isTty: true, first: "hello 1", longest: 7 },
    {
      file: "podman/logs-follow-multiplexed.bin",
      isTty: false,
      first: "out line 6536",
      longest: 13,
    },
  ];
  for (const { file, isTty, first, longest } of cases) {
    test(file, () => {
      const bytes = readFileSync(join(CAPTURES, file));
      const lines = readAll(bytes, isTty);
      assert.equal(Math.max(...lines.map(({ line }) => line.length)), longest);
      if (first !== "") assert.equal(lines[0]!.line, first);
      assert.ok(lines.every(({ line }) => !/\d{4}-\d\d-\d\dT/.test(line)));
      assert.deepEqual(readAll(bytes, isTty, 7), lines);
    });
  }
});
