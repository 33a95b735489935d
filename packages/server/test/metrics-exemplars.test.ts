/** `query_exemplars` over real HTTP, on a source that keeps what it is asked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatMatcher, Labels } from "@finch/model";
import { openApi } from "./metrics-harness.ts";

const SERIES = ["b", "a"].map((job) => ({
  labels: Labels.fromObject({ __name__: "up", job }),
  exemplars: [
    { labels: Labels.fromObject({ trace_id: `${job}1` }), value: 0.5, timestampMs: 1_500 },
    { labels: Labels.EMPTY, value: Number.POSITIVE_INFINITY, timestampMs: 2_000 },
  ],
}));

/** The API on a store that keeps what it is asked. */
const open = (asked: string[]) =>
  openApi({
    exemplars: async ({ matchers, startMs, endMs }) => {
      asked.push(`${matchers.map(formatMatcher).join()} ${startMs} ${endMs}`);
      return SERIES;
    },
  });

test("every selector of the query is asked once, series come once and in order", async () => {
  const asked: string[] = [];
  await using api = await open(asked);
  const answer = await api.get("/api/v1/query_exemplars", {
    query: 'rate(up[5m]) / on () sum(up{job="a"}) + rate(up[1m])',
    start: "1",
    end: "2.5",
  });
  const told = (job: string) =>
    `{"seriesLabels":{"__name__":"up","job":"${job}"},"exemplars":[{"labels":{"trace_id":"${job}1"},"value":"0.5","timestamp":1.500},{"labels":{},"value":"+Inf","timestamp":2}]}`;
  assert.equal(answer.text, `{"status":"success","data":[${told("a")},${told("b")}]}`);
  assert.deepEqual(asked, ['__name__="up" 1000 2500', 'job="a",__name__="up" 1000 2500']);
});

test("a query without selectors has no exemplars; bad ones are refused", async () => {
  const asked: string[] = [];
  await using api = await open(asked);
  const none = await api.get("/api/v1/query_exemplars", { query: "1 + 1" });
  assert.equal(none.text, '{"status":"success","data":[]}');
  for (const [parameters, error] of [
    [{ query: "up(" }, /1:4: parse error: unclosed left parenthesis/],
    [{}, /no expression found in input/],
    [{ query: "up", start: "2", end: "1" }, /end timestamp must not be before start timestamp/],
    [{ query: "up", start: "x" }, /invalid parameter \\"start\\"/],
  ] as const) {
    const answer = await api.get("/api/v1/query_exemplars", parameters);
    assert.equal(answer.status, 400);
    assert.match(answer.text, error);
  }
  assert.deepEqual(asked, []);
});
