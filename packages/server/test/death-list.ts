/** Queries that kill or stall what has no limits. Metrics `big` and `small` are those of `fillStore`. */
import { encodeRemoteWrite } from "@finch/wire";
import { Labels } from "@finch/model";
import { WRITE_HEADERS } from "./metrics-harness.ts";
import { NOW_MS } from "./serve.ts";
import type { Served } from "./serve.ts";

export interface DeathQuery {
  readonly name: string;
  readonly query: string;
  /** Asked as a range query over the last hour with so many steps; at one time when missing. */
  readonly steps?: number;
}

const nested = (depth: number, open: string, inner: string, close: string) =>
  open.repeat(depth) + inner + close.repeat(depth);
const joined = (count: number, separator: string, one: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => one(index)).join(separator);

export const DEATH_LIST: readonly DeathQuery[] = [
  { name: "everything, each second of a month", query: '{__name__=~".+"}[30d:1s]' },
  { name: "its sum", query: 'sum(sum_over_time({__name__=~".+"}[30d:1s]))', steps: 1000 },
  {
    name: "a join of everything by expressions",
    query: '{__name__=~"b.*"} * on(number) group_left() {__name__=~".*g", number=~".*"}',
    steps: 300,
  },
  { name: "a join without labels", query: "big * on() big" },
  {
    name: "a cross of sets",
    query: 'big and on() {__name__=~".+"} or on(x) big unless big',
    steps: 200,
  },
  { name: "500 levels of brackets", query: nested(500, "(", "big", ")") },
  { name: "10,000 levels of brackets", query: nested(10_000, "(", "1", ")") },
  { name: "450 levels of functions", query: nested(450, "abs(", "big", ")"), steps: 100 },
  { name: "450 levels of sums", query: nested(450, "sum without(x)(", "big", ")"), steps: 100 },
  { name: "100,000 signs", query: `${"-".repeat(100_000)}1` },
  { name: "9000 operands of or", query: joined(9000, " or ", (index) => `big_${index}`) },
  {
    name: "400 operands of or over everything",
    query: joined(400, " or ", () => "big"),
    steps: 100,
  },
  { name: "400 KB of sums", query: joined(40_000, " or ", (index) => `m_${index}`) },
  { name: "100 KiB of text", query: `label_replace(big, "a", "${"x".repeat(100_000)}", "b", "")` },
  { name: "a pattern of nested repeats", query: '{__name__=~"(((a{30}){30}){30}){30}"}' },
  { name: "a pattern that backtracks", query: 'count({number=~"(.*a){20}", long=~"(x+x+)+y"})' },
  { name: "optional letters", query: `big{long=~"${"x?".repeat(1000)}"}` },
  { name: "too long a pattern", query: `{long=~"${".*".repeat(30_000)}x?"}` },
  { name: "classes of letters", query: `{long=~"${"\\\\p{L}".repeat(340)}"}` },
  { name: "a label for every value", query: 'count_values("v", big + time())', steps: 500 },
  {
    name: "values counted of counted values",
    query: nested(20, 'count_values("v", ', "big", ")"),
    steps: 100,
  },
  { name: "topk of a billion", query: "topk(1e9, big)", steps: 100 },
  { name: "a quantile of everything", query: 'quantile(0.5, {__name__=~".+"})', steps: 1000 },
  {
    name: "labels that double",
    query: nested(60, "label_replace(", "small", ', "number", "$1$1", "number", "(.*)")'),
  },
  {
    name: "labels that grow on every series",
    query: nested(12, "label_join(", "big", ', "number", "number", "number", "number")'),
  },
  {
    name: "a pattern for every series",
    query: 'label_replace(big, "x", "$1$2$3", "long", "(x*)*(x*)*(x*)*")',
    steps: 100,
  },
  {
    name: "subqueries of subqueries of subqueries",
    query: "max_over_time(sum_over_time(avg_over_time(rate(big[5m])[1h:1s])[1h:1s])[1h:1s])",
  },
  {
    name: "quantiles of large windows",
    query: "quantile_over_time(0.9, small[1h:1ms])",
    steps: 10_000,
  },
  { name: "many quantiles", query: "quantile_over_time(0.9, big[1h])", steps: 10_000 },
  { name: "far too many steps", query: "big", steps: 1e9 },
  { name: "as many steps as there may be", query: 'sort_desc({__name__=~".+"})', steps: 10_000 },
  {
    name: "a histogram of no histogram",
    query: 'histogram_quantile(0.9, {__name__=~".+"})',
    steps: 1000,
  },
  { name: "absence of everything", query: 'absent_over_time({__name__=~".+"}[1h])', steps: 10_000 },
];

/** `big`: so many series; `small`: 100. Two samples each, a minute apart. */
export async function fillStore(api: Served, bigSeries: number): Promise<void> {
  const label = (name: string) => (_: unknown, index: number) =>
    Labels.fromObject({
      __name__: name,
      number: String(index),
      long: "x".repeat(60 + (index % 40)),
      job: `job-${index % 10}`,
    });
  const labels = [
    ...Array.from({ length: bigSeries }, label("big")),
    ...Array.from({ length: 100 }, label("small")),
  ];
  for (let from = 0; from < labels.length; from += 5000) {
    const part = labels.slice(from, from + 5000);
    for (const secondsAgo of [60, 0]) {
      const body = encodeRemoteWrite({
        labels: part,
        timestampsMs: new Float64Array(part.length).fill(NOW_MS - secondsAgo * 1000),
        values: Float64Array.from(part, (_, index) => (from + index) * 1.5 - secondsAgo),
      });
      const { status, text } = await api.post("/api/v1/write", new Uint8Array(body), WRITE_HEADERS);
      if (status !== 204) throw new Error(`a write was refused: ${text}`);
    }
  }
}

/** Path and form of a query that is to end within `timeout`, such as `2s`. */
export function askFor(
  { query, steps }: DeathQuery,
  timeout: string,
): readonly [path: string, form: string] {
  const end = NOW_MS / 1000;
  const form =
    steps === undefined
      ? { query, timeout, time: String(end) }
      : { query, timeout, start: String(end - 3600), end: String(end), step: String(3600 / steps) };
  const path = steps === undefined ? "/api/v1/query" : "/api/v1/query_range";
  return [path, new URLSearchParams(form).toString()];
}

export const FORM_HEADERS = { "content-type": "application/x-www-form-urlencoded" };
