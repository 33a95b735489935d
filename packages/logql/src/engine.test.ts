import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import type { LogPage } from "@finch/model";
import { FinchError, systemClock } from "@finch/runtime";
import fc from "fast-check";
import { createEngine } from "./engine.ts";
import type { RangeQueryOptions } from "./engine.ts";
import { mergeEntryLabels } from "./log-query.ts";
import { createMemorySource, makeColumns } from "./memory-source.ts";
import type { MemoryEntry } from "./memory-source.ts";
import type { LogSource } from "./source.ts";
import { createTailFilter } from "./tail.ts";

const SECOND = 1_000_000_000n;

function sourceOf(streams: Readonly<Record<string, readonly MemoryEntry[]>>): LogSource {
  const source = createMemorySource();
  for (const [app, entries] of Object.entries(streams))
    source.append(Labels.fromObject({ app }), entries);
  return source;
}

function entry(seconds: number, line: string, metadata?: Record<string, string>): MemoryEntry {
  const timestampNs = BigInt(seconds) * SECOND;
  return metadata === undefined
    ? { timestampNs, line }
    : { timestampNs, line, metadata: Labels.fromObject(metadata) };
}

const DEFAULTS = {
  query: '{app=~".+"}',
  startNs: 0n,
  endNs: 3600n * SECOND,
  stepNs: 60n * SECOND,
  limit: 100,
  direction: "backward",
} as const;

async function logs(source: LogSource, options: Partial<RangeQueryOptions> = {}) {
  const signal = new AbortController().signal;
  const result = await createEngine({ clock: systemClock }).rangeQuery({
    ...DEFAULTS,
    source,
    signal,
    ...options,
  });
  assert.equal(result.type, "streams");
  return result;
}

async function linesOf(source: LogSource, options: Partial<RangeQueryOptions> = {}) {
  const { streams } = await logs(source, options);
  return streams.map(
    ({ labels, entries }) => `${labels.get("app")}: ${entries.map(({ line }) => line).join(" ")}`,
  );
}

describe("log queries", () => {
  const source = sourceOf({
    a: [entry(1, "a1"), entry(3, "a3"), entry(3, "a3b"), entry(9, "a9")],
    b: [entry(2, "b2"), entry(3, "b3"), entry(8, "b8")],
  });

  test("give the newest first, streams by their labels", async () => {
    assert.deepEqual(await linesOf(source), ["a: a9 a3b a3 a1", "b: b8 b3 b2"]);
    assert.deepEqual(await linesOf(source, { direction: "forward" }), [
      "a: a1 a3 a3b a9",
      "b: b2 b3 b8",
    ]);
  });
  test("stop at the limit across streams", async () => {
    assert.deepEqual(await linesOf(source, { limit: 2 }), ["a: a9", "b: b8"]);
    assert.deepEqual(await linesOf(source, { limit: 2, direction: "forward" }), ["a: a1", "b: b2"]);
    assert.deepEqual(await linesOf(source, { limit: 0 }), []);
  });
  test("include the start and exclude the end", async () => {
    const range = { startNs: 2n * SECOND, endNs: 8n * SECOND };
    assert.deepEqual(await linesOf(source, range), ["a: a3b a3", "b: b3 b2"]);
  });
  test("keep an interval between entries of all streams", async () => {
    assert.deepEqual(await linesOf(source, { intervalNs: 5n * SECOND }), ["a: a9 a3b"]);
    assert.deepEqual(await linesOf(source, { intervalNs: 2n * SECOND, direction: "forward" }), [
      "a: a1 a3",
      "b: b8",
    ]);
  });
  test("keep metadata and parsed labels apart, and merge them on demand", async () => {
    const one = sourceOf({ a: [entry(1, "x=1 app=2 t=3", { t: "m", app: "n" })] });
    const { streams } = await logs(one, { query: '{app="a"} | logfmt' });
    const [item] = streams[0]!.entries;
    assert.deepEqual(streams[0]!.labels.toObject(), { app: "a" });
    assert.deepEqual(item!.structuredMetadata.toObject(), { t: "m" });
    assert.deepEqual(item!.parsed.toObject(), { app_extracted: "2", t_extracted: "3", x: "1" });
    assert.equal(mergeEntryLabels(streams[0]!.labels, item!).size, 5);
  });
  test("read no page behind the limit", async () => {
    const many = Array.from({ length: 5000 }, (_, i) => entry(i, `line ${i}`));
    const { statistics, streams } = await logs(sourceOf({ a: many }), {
      limit: 10,
      endNs: 5000n * SECOND,
    });
    assert.deepEqual(streams[0]!.entries.map(({ line }) => line).slice(0, 2), [
      "line 4999",
      "line 4998",
    ]);
    assert.ok(statistics.pagesRead <= 2, `${statistics.pagesRead} pages read`);
    assert.equal(statistics.entriesReturned, 10);
  });

  test("agree with a sort of everything", async () => {
    const item = fc.record({
      at: fc.integer({ min: 0, max: 40 }),
      stream: fc.constantFrom("a", "b", "c"),
    });
    const options = fc.record({
      limit: fc.integer({ min: 1, max: 12 }),
      direction: fc.constantFrom("forward" as const, "backward" as const),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(item, { maxLength: 40 }),
        options,
        async (items, { limit, direction }) => {
          const streams: Record<string, MemoryEntry[]> = {};
          for (const [i, { at, stream }] of items.entries())
            (streams[stream] ??= []).push(entry(at, `${at}-${i}`));
          // The edge of the range, where a page may be longer than its limit, is tested with the merge.
          const range = { startNs: -1n, limit, direction };
          const result = await logs(pagesOfThree(sourceOf(streams)), range);
          const sign = direction === "backward" ? -1 : 1;
          const expected = items
            .map(({ at }) => at)
            .toSorted((x, y) => sign * (x - y))
            .slice(0, limit);
          const actual = result.streams.flatMap(({ entries }) =>
            entries.map(({ timestampNs }) => Number(timestampNs / SECOND)),
          );
          assert.deepEqual(
            actual.toSorted((x, y) => sign * (x - y)),
            expected,
          );
          for (const { entries } of result.streams) {
            const times = entries.map(({ timestampNs }) => Number(timestampNs / SECOND));
            assert.deepEqual(
              times,
              times.toSorted((x, y) => sign * (x - y)),
            );
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** The same entries in pages of three rows, so that pages of streams overlap in time. */
function pagesOfThree(source: LogSource): LogSource {
  return {
    select: async function* (request, statistics) {
      const pages: LogPage[] = [];
      for await (const { labels, entries } of source.select(request, statistics)) {
        for (let from = 0; from < entries.count; from += 3) {
          const rows = Array.from(
            { length: Math.min(3, entries.count - from) },
            (_, i) => from + i,
          );
          const text = (row: number) =>
            Buffer.from(
              entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]),
            ).toString();
          pages.push({
            labels,
            entries: makeColumns(
              rows.map((row) => ({ timestampNs: entries.timestampsNs[row]!, line: text(row) })),
            ),
          });
        }
      }
      const backward = request.direction === "backward";
      const front = ({ entries }: LogPage) =>
        Number(entries.timestampsNs[backward ? entries.count - 1 : 0]! / SECOND);
      yield* pages.toSorted((a, b) => (backward ? front(b) - front(a) : front(a) - front(b)));
    },
  };
}

describe("limits", () => {
  const source = sourceOf({ a: Array.from({ length: 50 }, (_, i) => entry(i, `id=${i} v=${i}`)) });
  const refuse = async (
    code: string,
    message: RegExp,
    options: Partial<RangeQueryOptions>,
    limits: Record<string, number> = {},
  ) => {
    const engine = createEngine({ clock: systemClock, limits });
    const signal = new AbortController().signal;
    await assert.rejects(
      engine.rangeQuery({ ...DEFAULTS, source, signal, ...options }),
      (error) => {
        assert.ok(error instanceof FinchError, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      },
    );
  };
  test("entries", () =>
    refuse("logql/limit", /max entries limit per query exceeded.*\(6000 > 5000\)/, {
      limit: 6000,
    }));
  test("series in the result", () =>
    refuse(
      "logql/limit",
      /maximum number of series \(10\)/,
      { query: 'count_over_time({app="a"} | logfmt [1h])' },
      { seriesMax: 10 },
    ));
  test("series on the way", () =>
    refuse(
      "logql/limit",
      /more than 10 series/,
      { query: 'max(count_over_time({app="a"} | logfmt [1h]))' },
      { intermediateSeriesMax: 10 },
    ));
  test("characters of series on the way", () =>
    refuse(
      "logql/limit",
      /labels of the series have more than 1000 characters/,
      {
        query:
          'sum by (x) (rate({app="a"} | label_format x="{{repeat 500 `x`}}{{__line__}}" [1h]))',
      },
      { seriesCharactersMax: 1000 },
    ));
  test("series times steps", () =>
    refuse(
      "logql/limit",
      /more than 100 values/,
      { query: 'count_over_time({app="a"}[1h])', stepNs: SECOND },
      { cellsMax: 100 },
    ));
  test("points", () =>
    refuse("logql/limit", /11,000 points/, { query: 'rate({app="a"}[1m])', stepNs: 1_000_000n }));
  test("samples", () =>
    refuse(
      "logql/limit",
      /more than 5 samples/,
      { query: 'sum_over_time({app="a"} | logfmt | unwrap v [1h])' },
      { samplesMax: 5 },
    ));
  test("characters of the result", () =>
    refuse(
      "logql/limit",
      /more than 1000 characters/,
      { query: '{app="a"} | line_format "{{repeat 500 `x`}}"' },
      { resultCharactersMax: 1000 },
    ));
  test("characters of lines that the limit leaves out do not count", async () => {
    const engine = createEngine({ clock: systemClock, limits: { resultCharactersMax: 1200 } });
    const { signal } = new AbortController();
    const query = '{app="a"} | line_format "{{repeat 500 `x`}}"';
    const result = await engine.rangeQuery({ ...DEFAULTS, source, signal, query, limit: 2 });
    assert.equal(result.statistics.entriesReturned, 2);
  });
  test("bytes", () => refuse("logql/limit", /too many bytes/, {}, { bytesMax: 10 }));
  test("a step of zero", () =>
    refuse("logql/execution", /step/, { query: 'rate({app="a"}[1m])', stepNs: 0n }));
  test("an end before the start", () =>
    refuse("logql/execution", /end timestamp/, { query: 'rate({app="a"}[1m])', endNs: -1n }));
  test("a time limit of the caller stays what it is", async () => {
    const reason = new FinchError("timeout", "test/late", "query timed out");
    const signal = AbortSignal.abort(reason);
    const engine = createEngine({ clock: systemClock });
    await assert.rejects(engine.rangeQuery({ ...DEFAULTS, source, signal }), reason);
  });
  test("a caller that left", async () => {
    const engine = createEngine({ clock: systemClock });
    const signal = AbortSignal.abort();
    await assert.rejects(engine.rangeQuery({ ...DEFAULTS, source, signal }), {
      code: "logql/canceled",
    });
    const reason = new DOMException("late", "TimeoutError");
    await assert.rejects(
      engine.rangeQuery({ ...DEFAULTS, source, signal: AbortSignal.abort(reason) }),
      { code: "logql/timeout" },
    );
  });
});

test("a source that ends with the signal ends the query as canceled", async () => {
  const controller = new AbortController();
  const source: LogSource = {
    select: async function* () {
      yield* [];
      controller.abort();
      await Promise.resolve();
      controller.signal.throwIfAborted();
    },
  };
  const engine = createEngine({ clock: systemClock });
  await assert.rejects(engine.rangeQuery({ ...DEFAULTS, source, signal: controller.signal }), {
    code: "logql/canceled",
  });
});

describe("range aggregations", () => {
  test("agree with counting by hand, whatever step and range", async () => {
    const numbers = fc.record({
      times: fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 60 }),
      start: fc.integer({ min: 0, max: 100 }),
      step: fc.integer({ min: 1, max: 40 }),
      range: fc.integer({ min: 1, max: 90 }),
      offset: fc.integer({ min: -30, max: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(numbers, async ({ times, start, step, range, offset }) => {
        const unique = [...new Set(times)];
        const source = sourceOf({ a: unique.map((at) => entry(at, `v=${at}`)) });
        const engine = createEngine({ clock: systemClock });
        const common = {
          source,
          limit: 1,
          direction: "forward",
          signal: new AbortController().signal,
        } as const;
        const grid = {
          startNs: BigInt(start) * SECOND,
          endNs: BigInt(start + 200) * SECOND,
          stepNs: BigInt(step) * SECOND,
        };
        const selector = `{app="a"}`;
        const count = await engine.rangeQuery({
          ...common,
          ...grid,
          query: `count_over_time(${selector} [${range}s] offset ${offset}s)`,
        });
        const sum = await engine.rangeQuery({
          ...common,
          ...grid,
          query: `sum_over_time(${selector} | logfmt | unwrap v [${range}s] offset ${offset}s)`,
        });
        const expected: [number, number, number][] = [];
        for (let t = start; t <= start + 200; t += step) {
          const inside = unique.filter((at) => at > t - offset - range && at <= t - offset);
          if (inside.length > 0)
            expected.push([t, inside.length, inside.reduce((x, y) => x + y, 0)]);
        }
        for (const [result, column] of [
          [count, 1],
          [sum, 2],
        ] as const) {
          assert.equal(result.type, "matrix");
          const actual = result.series.flatMap(({ timestampsMs, values }) =>
            Array.from(values, (value, i) => [timestampsMs[i]! / 1000, value]),
          );
          assert.deepEqual(
            actual,
            expected.map((row) => [row[0], row[column]]),
          );
        }
      }),
      { numRuns: 300 },
    );
  });
  test("fall out of nanoseconds exactly", async () => {
    const now = 1_700_000_000_000_000_000n;
    const source = createMemorySource();
    source.append(
      Labels.fromObject({ app: "a" }),
      [-999_999n, 0n, 1_000_000n].map((d) => ({ timestampNs: now + d, line: `${d}` })),
    );
    const engine = createEngine({ clock: systemClock });
    const ask = async (timeNs: bigint) => {
      const result = await engine.instantQuery({
        source,
        timeNs,
        query: 'count_over_time({app="a"}[1ms])',
        limit: 1,
        direction: "forward",
        signal: new AbortController().signal,
      });
      assert.equal(result.type, "vector");
      return result.samples.map(({ value }) => value);
    };
    assert.deepEqual(await ask(now), [2]);
    assert.deepEqual(await ask(now + 1n), [1]);
    assert.deepEqual(await ask(now + 999_999n), [1]);
    assert.deepEqual(await ask(now + 2_000_000n), []);
  });
});

test("decolorize takes out whole escape sequences", async () => {
  const line =
    "\u001b(B\u001b[31;1mred\u001b[0m \u009b32mgreen \u001b]8;;http://x\u0007link\u001b]8;;\u001b\\\u001b=.";
  const { streams } = await logs(sourceOf({ a: [entry(1, line)] }), {
    query: '{app="a"} | decolorize',
  });
  assert.equal(streams[0]!.entries[0]!.line, "red green link.");
});

test("an instant query answers at its time", async () => {
  const engine = createEngine({ clock: systemClock });
  const common = {
    source: sourceOf({}),
    timeNs: 4n * SECOND,
    limit: 1,
    direction: "forward",
    signal: new AbortController().signal,
  } as const;
  const health = await engine.instantQuery({ ...common, query: "vector(1)+vector(1)" });
  assert.equal(health.timestampMs, 4000);
  assert.deepEqual(health.type === "vector" && health.samples.map(({ value }) => value), [2]);
  await assert.rejects(
    engine.instantQuery({ ...common, query: '{a="b"}' }),
    /log queries are not supported as an instant query type/,
  );
});

describe("tailing", () => {
  const columns = makeColumns([entry(1, "level=info x"), entry(2, "level=error y", { id: "7" })]);
  test("applies the pipeline to what arrives", () => {
    const tail = createTailFilter(
      '{app="a"} |= "level" | logfmt | level="error" | line_format "{{.id}}"',
      systemClock,
    );
    const [only, ...others] = tail(Labels.fromObject({ app: "a", host: "h" }), columns);
    assert.equal(others.length, 0);
    assert.equal(only!.line, "7");
    assert.deepEqual(only!.stream.toObject(), { app: "a", host: "h" });
    assert.deepEqual(only!.parsed.toObject(), { level: "error" });
    assert.deepEqual(tail(Labels.fromObject({ app: "b" }), columns), []);
  });
  test("refuses metric queries", () => {
    assert.throws(() => createTailFilter('rate({a="b"}[1m])', systemClock), /only log queries/);
  });
});
