import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import type { Clock, Logger } from "@finch/runtime";
import { buildPipeline } from "./process.ts";
import { PipelineRunner } from "./process-runner.ts";
import { PipelineEntry } from "./pipeline-entry.ts";
import type { Stage } from "./process-stage.ts";

const MULTILINE = {
  name: "multiline",
  values: { firstline: "^START", max_lines: 3, max_wait_time: 3000, trim_newlines: true },
};

/** Time that stands still until a test moves it. */
class TestClock implements Clock {
  #nowMs = 1000;
  #sleepers: { readonly untilMs: number; readonly wake: () => void }[] = [];
  nowMs = () => this.#nowMs;
  nowNs = () => BigInt(this.#nowMs) * 1_000_000n;
  monotonicMs = () => this.#nowMs;
  sleep = (ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      this.#sleepers.push({ untilMs: this.#nowMs + ms, wake: resolve });
    });
  advance(ms: number): void {
    this.#nowMs += ms;
    for (const { untilMs, wake } of this.#sleepers) if (untilMs <= this.#nowMs) wake();
  }
}

function build(clock: Clock, stages: readonly { name: string; values: object }[]): Stage {
  const nothing = { add: () => {}, set: () => {} };
  return buildPipeline(stages, {
    clock,
    metrics: {
      counter: () => nothing,
      gauge: () => nothing,
      histogram: () => ({ observe: () => {} }),
    },
    dropped: () => {},
  });
}

let sequence = 0n;
function entry(line: string, stream = "a"): PipelineEntry {
  const labels = Labels.fromObject({ s: stream });
  const from = { labels, line, timestampNs: ++sequence, structuredMetadata: Labels.EMPTY };
  return new PipelineEntry(from);
}

function linesOf(entries: readonly PipelineEntry[]): string[] {
  return entries.map(({ labels, line }) => `${labels.get("s")} ${line}`);
}

describe("stage.multiline", () => {
  const cases: readonly [
    rule: string,
    input: readonly (readonly [string, string?])[],
    out: readonly string[],
    atStop: readonly string[],
  ][] = [
    ["lines in front of the first record pass", [["x"], ["y"]], ["a x", "a y"], []],
    [
      "a first line ends the record before",
      [["START 1"], ["b\r\n"], ["START 2"]],
      ["a START 1\nb"],
      ["a START 2"],
    ],
    [
      "streams are told apart",
      [["START 1"], ["START 2", "b"], ["c"], ["d", "b"]],
      [],
      ["a START 1\nc", "b START 2\nd"],
    ],
    [
      "max_lines ends a record, the rest is another",
      [["START"], ["1"], ["2"], ["3"]],
      ["a START\n1\n2"],
      ["a 3"],
    ],
  ];
  for (const [rule, input, out, atStop] of cases) {
    test(rule, () => {
      const stage = build(new TestClock(), [MULTILINE]);
      assert.deepEqual(linesOf(stage(input.map(([line, stream]) => entry(line, stream)))), out);
      assert.deepEqual(linesOf(stage.held!.release("all")), atStop);
      assert.deepEqual(stage.held!.release("all"), []);
    });
  }
  test("the time is that of the first line; what waited long enough is due, by stream", () => {
    const clock = new TestClock();
    const stage = build(clock, [MULTILINE]);
    const first = entry("START");
    stage([first, entry("START", "b")]);
    clock.advance(2000);
    stage([entry("more")]);
    assert.equal(stage.held!.dueMs(), 4000);
    clock.advance(1000);
    assert.deepEqual(linesOf(stage.held!.release("due")), ["b START"]);
    assert.equal(stage.held!.dueMs(), 6000);
    clock.advance(2000);
    const [joined] = stage.held!.release("due");
    assert.deepEqual([joined!.line, joined!.timestampNs], ["START\nmore", first.timestampNs]);
    assert.equal(stage.held!.dueMs(), undefined);
  });
  test("what is released runs through the stages behind, inside a match as well", () => {
    const stage = build(new TestClock(), [
      {
        name: "match",
        values: {
          selector: '{s="a"}',
          action: "keep",
          drop_counter_reason: "",
          stage: [MULTILINE, { name: "static_labels", values: { values: { in: "1" } } }],
        },
      },
      { name: "static_labels", values: { values: { out: "1" } } },
    ]);
    assert.deepEqual(linesOf(stage([entry("START"), entry("START", "b")])), ["b START"]);
    const [held] = stage.held!.release("all");
    assert.deepEqual(Object.fromEntries(held!.labels), { s: "a", in: "1", out: "1" });
  });
});

describe("a pipeline that holds entries", () => {
  const makeRunner = (clock: Clock, forward: (lines: readonly string[]) => Promise<void>) => {
    const log: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
    return new PipelineRunner(build(clock, [MULTILINE]), {
      clock,
      log,
      forward: (entries) => forward(entries.map(({ line }) => line)),
    });
  };
  const lines = (...texts: string[]) => texts.map((line) => entry(line).close());

  test("hands them on when they are due, and entries that arrive wait behind them", async () => {
    const clock = new TestClock();
    const taken: string[][] = [];
    const arrived = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const runner = makeRunner(clock, async (batch) => {
      if (batch.length === 0) return;
      taken.push([...batch]);
      arrived.resolve();
      if (taken.length === 1) await gate.promise;
    });
    const stop = new AbortController();
    const running = runner.run(stop.signal);
    await runner.append(lines("START 1"), stop.signal);
    assert.deepEqual(taken, []);
    await turns();
    clock.advance(3000);
    await arrived.promise;
    assert.deepEqual(taken, [["START 1"]]);
    const appended = runner.append(lines("START 2", "START 3"), stop.signal);
    await turns();
    assert.equal(taken.length, 1);
    gate.resolve();
    await appended;
    assert.deepEqual(taken, [["START 1"], ["START 2"]]);
    stop.abort();
    await running;
    await runner.drain(AbortSignal.timeout(1000));
    assert.deepEqual(taken.at(-1), ["START 3"]);
  });

  test("offers them again when a receiver refuses, and at the stop", async () => {
    const clock = new TestClock();
    const taken: string[] = [];
    let isOpen = false;
    const runner = makeRunner(clock, async (batch) => {
      if (!isOpen) throw new Error("full");
      taken.push(...batch);
    });
    const stop = new AbortController();
    const running = runner.run(stop.signal);
    isOpen = true;
    await runner.append(lines("START 1"), stop.signal);
    isOpen = false;
    await turns();
    clock.advance(3000);
    await turns();
    isOpen = true;
    stop.abort();
    await running;
    assert.deepEqual(taken, []);
    await runner.drain(AbortSignal.timeout(1000));
    assert.deepEqual(taken, ["START 1"]);
  });

  test("hands on what the old stages hold when the stages change", async () => {
    const clock = new TestClock();
    const taken: string[] = [];
    const runner = makeRunner(clock, async (batch) => void taken.push(...batch));
    const { signal } = new AbortController();
    await runner.append(lines("START 1"), signal);
    await runner.replace(build(clock, []), signal);
    await runner.append(lines("START 2"), signal);
    assert.deepEqual(taken, ["START 1", "START 2"]);
  });
});

/** Lets everything that is ready run. */
function turns(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
