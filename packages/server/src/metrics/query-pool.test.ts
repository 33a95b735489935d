/** Real worker threads over series in memory. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import type { Series } from "@finch/model";
import { FinchError, silentLogger } from "@finch/runtime";
import type { SeriesSource } from "@finch/promql";
import { DEFAULT_METRICS_LIMITS, DEFAULT_QUERY_LIMITS } from "./limits.ts";
import type { QueryLimits } from "./limits.ts";
import { QueryPool } from "./query-pool.ts";
import type { QueryJob } from "./query-protocol.ts";

const END_MS = 3_600_000;

/** `count` series of one sample each 15 s, in batches; `asked` counts the selections. */
class TestSource implements SeriesSource {
  asked = 0;
  ended = 0;
  count: number;

  constructor(count: number) {
    this.count = count;
  }

  async *select(request: Parameters<SeriesSource["select"]>[0]): AsyncGenerator<readonly Series[]> {
    this.asked++;
    try {
      const timestampsMs = Float64Array.from({ length: END_MS / 15_000 }, (_, i) => i * 15_000);
      const values = timestampsMs.map((time) => time / 1000);
      for (let from = 0; from < this.count; from += 100) {
        request.signal.throwIfAborted();
        yield Array.from({ length: Math.min(100, this.count - from) }, (_, index) => ({
          labels: Labels.fromObject({ __name__: "m", number: String(from + index) }),
          timestampsMs,
          values,
        }));
      }
    } finally {
      this.ended++;
    }
  }
}

/** A pool all of whose queries read one source. */
class PoolOf extends QueryPool {
  readonly #source: SeriesSource;

  constructor(source: SeriesSource, options: ConstructorParameters<typeof QueryPool>[0]) {
    super(options);
    this.#source = source;
  }

  override run(asked: QueryJob, options: Omit<Parameters<QueryPool["run"]>[1], "source">) {
    return super.run(asked, { ...options, source: this.#source });
  }
}

function openPool(source: SeriesSource, replace: Partial<QueryLimits> = {}): PoolOf {
  const query = { ...DEFAULT_QUERY_LIMITS, mainThreadSamplesMax: 0, ...replace };
  const limits = { ...DEFAULT_METRICS_LIMITS, query };
  return new PoolOf(source, { limits, language: {}, log: silentLogger });
}

function job(query: string, replace: Partial<QueryJob> = {}): QueryJob {
  const range = { startMs: END_MS / 2, endMs: END_MS, stepMs: 15_000 };
  return {
    kind: "range",
    query,
    ...range,
    lookbackMs: 300_000,
    limit: 0,
    statistics: "none",
    ...replace,
  };
}

async function ask(
  pool: PoolOf,
  asked: QueryJob,
  { signal = new AbortController().signal, timeoutMs = 60_000 } = {},
): Promise<{ data: { result: { values: [number, string][] }[] } }> {
  const { body } = await pool.run(asked, { signal, timeoutMs });
  const decoder = new TextDecoder();
  let text = "";
  if (body instanceof Uint8Array) text = decoder.decode(body);
  else for await (const chunk of body) text += decoder.decode(chunk, { stream: true });
  return JSON.parse(text) as Awaited<ReturnType<typeof ask>>;
}

function codeIs(code: string): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof FinchError && thrown.code === code;
}

function metric(pool: QueryPool, name: string): number {
  const family = pool.families().find((one) => one.name === name);
  return family?.samples.reduce((sum, { value }) => sum + value, 0) ?? Number.NaN;
}

describe("query workers", () => {
  test("answer whole and in chunks, many at once", async () => {
    await using pool = openPool(new TestSource(250));
    const asked = ["sum(m)", "m", "count(m) * 2", "m + 1", 'label_replace(m, "a", "b", "", "")'];
    const answers = await Promise.all(asked.map((query) => ask(pool, job(query))));
    const sizes = answers.map(({ data }) => data.result.length);
    assert.deepEqual(sizes, [1, 250, 1, 250, 250]);
    assert.equal(answers[1]!.data.result[0]!.values.length, 121);
    assert.equal(metric(pool, "finch_metrics_query_series_total"), 5 * 250);
    assert.equal(metric(pool, "finch_metrics_queries_running"), 0);
  });

  test("tell faults as the engine does", async () => {
    await using pool = openPool(new TestSource(1));
    await assert.rejects(ask(pool, job("sum(")), codeIs("promql/parse-error"));
    const failing: SeriesSource = {
      select: () => {
        throw new FinchError("corrupt", "store/corrupt", "a page does not check out");
      },
    };
    await using broken = openPool(failing);
    await assert.rejects(ask(broken, job("m")), codeIs("store/corrupt"));
  });

  test("speak the same language on every thread", async () => {
    const source = new TestSource(20);
    const limits = { ...DEFAULT_METRICS_LIMITS, query: DEFAULT_QUERY_LIMITS };
    const language = { experimentalFunctions: true };
    await using pool = new PoolOf(source, { limits, language, log: silentLogger });
    await using plain = openPool(source, { mainThreadSamplesMax: 20_000 });
    for (const query of ["limitk(3, m)", 'limitk(3, {__name__=~"m{1}"})']) {
      assert.equal((await ask(pool, job(query))).data.result.length, 3, query);
      await assert.rejects(ask(plain, job(query)), codeIs("promql/parse-error"), query);
    }
  });

  test("begin a query that reads much again in the lane for large ones, and remember it", async () => {
    const source = new TestSource(5000);
    await using pool = openPool(source);
    const counted = await ask(pool, job('count({__name__=~"m"})'));
    assert.equal(counted.data.result[0]!.values[0]![1], "5000");
    assert.equal(source.asked, 2);
    assert.equal(metric(pool, "finch_metrics_query_moved_total"), 1);
    assert.equal(metric(pool, "finch_metrics_query_workers"), 2);
    await ask(pool, job('count({__name__=~"m"})'));
    assert.equal(source.asked, 3);
    assert.equal(source.ended, 3);
  });

  test("share one thread where there is but one", async () => {
    const source = new TestSource(5000);
    await using pool = openPool(source, { workersMax: 1 });
    const answers = await Promise.all([
      ask(pool, job('count({__name__=~"m"})')),
      ask(pool, job('sum({__name__=~"m"})')),
    ]);
    assert.equal(answers.length, 2);
    assert.equal(source.asked, 2);
    assert.equal(metric(pool, "finch_metrics_query_workers"), 1);
  });

  test("leave small queries to the main thread, until they are no longer small", async () => {
    const source = new TestSource(20);
    await using pool = openPool(source, { mainThreadSamplesMax: 20_000 });
    const at = { kind: "instant", startMs: END_MS / 2, endMs: END_MS / 2, stepMs: 1 } as const;
    await ask(pool, job("count(m)", at));
    assert.equal(metric(pool, "finch_metrics_query_workers"), 0);
    const range = await ask(pool, job("m"));
    assert.equal(range.data.result.length, 20);
    assert.equal(metric(pool, "finch_metrics_query_workers"), 0);
    source.count = 500;
    assert.equal((await ask(pool, job("m"))).data.result.length, 500);
    assert.equal(metric(pool, "finch_metrics_query_workers"), 1);
    const asked = source.asked;
    await ask(pool, job("m"));
    assert.equal(source.asked, asked + 1);
  });

  test("stop when the caller leaves, the time is up or nobody reads on", async () => {
    const source = new TestSource(5000);
    await using pool = openPool(source);
    const gone = new AbortController();
    const left = ask(pool, job("m"), { signal: gone.signal });
    gone.abort(new FinchError("canceled", "test/gone", "gone"));
    await assert.rejects(left, codeIs("test/gone"));
    const endless = "count(sum_over_time(m[30m:1s]))";
    await assert.rejects(
      ask(pool, job(endless), { timeoutMs: 50 }),
      codeIs("server/query-timeout"),
    );
    const { body, figures } = await pool.run(job("m"), {
      signal: new AbortController().signal,
      timeoutMs: 60_000,
    });
    assert.ok(!(body instanceof Uint8Array));
    for await (const _ of body) break;
    assert.equal(await figures, undefined);
    // All of it has ended, and the next query has its place.
    assert.equal((await ask(pool, job("m", { limit: 3 }))).data.result.length, 3);
  });

  test("are ended when a query does not stop, and the others of the thread begin again", async () => {
    await using pool = openPool(new TestSource(3), { workersMax: 1 });
    // The worker is up before the clock runs.
    const at = { kind: "instant", startMs: END_MS / 2, endMs: END_MS / 2, stepMs: 1 } as const;
    await ask(pool, job('count({__name__=~"m"})', at));
    const patterns = Array.from({ length: 60 }, (_, index) => `${"\\\\p{L}".repeat(335)}${index}`);
    const stuck = ask(pool, job(`m{${patterns.map((one) => `a!~"${one}"`).join(",")}}`, at), {
      timeoutMs: 10,
    });
    const other = ask(pool, job('count({__name__=~"m|n"})', at));
    await assert.rejects(stuck, codeIs("server/query-timeout"));
    assert.equal((await other).data.result.length, 1);
    const lost = pool
      .families()
      .find(({ name }) => name === "finch_metrics_query_workers_lost_total");
    assert.deepEqual(lost!.samples, [{ labels: { reason: "stuck" }, value: 1 }]);
  });

  test("refuse what finds no place in the queue", async () => {
    await using pool = openPool(new TestSource(100), { workersMax: 1, waitingMax: 1 });
    const asked = Array.from({ length: 12 }, (_, index) => ask(pool, job(`m + ${index}`)));
    const outcomes = await Promise.allSettled(asked);
    const refused = outcomes.filter(({ status }) => status === "rejected");
    assert.equal(refused.length, 3);
    for (const outcome of refused)
      assert.ok(outcome.status === "rejected" && codeIs("server/too-many-queries")(outcome.reason));
  });

  test("that lack memory for objects fail by themselves, and another takes their place", async () => {
    await using pool = openPool(new TestSource(200_000), { workerHeapBytesMax: 16 * 1024 * 1024 });
    const range = { startMs: 600_000, endMs: 600_000 };
    const hungry = ask(pool, job('label_replace(m, "a", "$1$1$1$1$1$1", "number", "(.*)")', range));
    await assert.rejects(hungry, codeIs("server/query-heap"));
    assert.equal(metric(pool, "finch_metrics_query_workers_lost_total"), 1);
    const { data } = await ask(pool, job("vector(1)", { limit: 5 }));
    assert.equal(data.result.length, 1);
  });
});
