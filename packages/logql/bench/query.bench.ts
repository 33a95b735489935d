/** Queries over generated web server lines: what a line filter, a JSON pipeline and plain counting cost, end to end through the engine. */
import { createHash } from "node:crypto";
import { createEngine } from "@finch/logql";
import type { LogSource } from "@finch/logql";
import { Labels } from "@finch/model";
import type { LogPage } from "@finch/model";
import { systemClock } from "@finch/runtime";

const large = process.env["BENCH_SIZE"] === "large";
const TARGET_BYTES = (large ? 50 : 5) * 1_000_000;
const ROWS_PER_PAGE = 8192;
const START_NS = 1_700_000_000_000_000_000n;
const ROW_NS = 1_000_000n;
const STREAMS = 4;

/** Repeats on every run: the hash of the answers is part of the line. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function makePages(): {
  readonly pages: readonly LogPage[];
  readonly bytes: number;
  readonly rows: number;
} {
  const random = createRandom(42);
  const pages: LogPage[] = [];
  let bytes = 0;
  let rows = 0;
  while (bytes < TARGET_BYTES) {
    const lines: Buffer[] = [];
    const timestampsNs = new BigInt64Array(ROWS_PER_PAGE);
    const lineBounds = new Uint32Array(ROWS_PER_PAGE + 1);
    for (let i = 0; i < ROWS_PER_PAGE; i++) {
      const status = random() < 0.02 ? 500 : 200;
      const line = Buffer.from(
        `{"ts":"2026-01-01T00:00:00Z","level":"${status === 500 ? "error" : "info"}","method":"GET","path":"/api/v1/items/${Math.floor(random() * 1e6)}",` +
          `"status":${status},"took_ms":${Math.floor(random() * 400)},"client":"10.0.${Math.floor(random() * 256)}.${Math.floor(random() * 256)}"}`,
      );
      timestampsNs[i] = START_NS + BigInt(rows + i) * ROW_NS;
      lines.push(line);
      lineBounds[i + 1] = lineBounds[i]! + line.length;
    }
    const column = Buffer.concat(lines);
    pages.push({
      labels: Labels.fromObject({ app: "web", host: `h${pages.length % STREAMS}` }),
      entries: {
        count: ROWS_PER_PAGE,
        timestampsNs,
        lines: new Uint8Array(column.buffer, column.byteOffset, column.length),
        lineBounds,
        metadataSets: [Labels.EMPTY],
        metadataOf: new Uint32Array(ROWS_PER_PAGE),
      },
    });
    bytes += column.length;
    rows += ROWS_PER_PAGE;
  }
  return { pages, bytes, rows };
}

const { pages, bytes, rows } = makePages();
const source: LogSource = {
  select: async function* ({ direction }) {
    yield* direction === "backward" ? pages.toReversed() : pages;
  },
};
const engine = createEngine({ clock: systemClock });
const endNs = START_NS + BigInt(rows) * ROW_NS;
const answers = createHash("sha256");

async function measure(query: string, rounds: number): Promise<number> {
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    const result = await engine.rangeQuery({
      source,
      query,
      startNs: START_NS,
      endNs,
      stepNs: (endNs - START_NS) / 240n,
      limit: 1000,
      direction: "backward",
      signal: new AbortController().signal,
    });
    best = Math.min(best, performance.now() - started);
    if (round > 0) continue;
    if (result.type === "matrix") {
      for (const { labels, values } of result.series) answers.update(labels.key).update(values);
    } else
      for (const { entries } of result.streams)
        for (const { line } of entries) answers.update(line);
  }
  return best / 1000;
}

const QUERIES = {
  rare_line_filter: 'sum(count_over_time({app="web"} |= "items/77777" [1m]))',
  line_filter: 'sum(count_over_time({app="web"} |= "error" [1m]))',
  folded_filter: 'sum(count_over_time({app="web"} |~ "(?i)ERROR" [1m]))',
  regex_filter: 'sum(count_over_time({app="web"} |~ "status.:5\\\\d\\\\d" [1m]))',
  json_status: 'sum by (status) (count_over_time({app="web"} | json [1m]))',
  json_filter: 'sum(count_over_time({app="web"} | json | status >= 500 [1m]))',
  unwrap: 'avg_over_time({app="web"} | json | unwrap took_ms [1m]) by (method)',
  count: 'sum by (host) (count_over_time({app="web"} [1m]))',
  json_lines: '{app="web"} |= "error" | json | status = 500',
} as const;

const figures: Record<string, number> = {};
for (const [name, query] of Object.entries(QUERIES)) {
  const seconds = await measure(query, large ? 3 : 2);
  figures[`${name}_mb_per_s`] = Math.round(bytes / 1e6 / seconds);
  figures[`${name}_rows_per_s`] = Math.round(rows / seconds);
}

console.log(
  JSON.stringify({
    bench: "logql/query",
    params: { bytes, rows, pages: pages.length, steps: 241 },
    hash: answers.digest("hex").slice(0, 16),
    ...figures,
  }),
);
