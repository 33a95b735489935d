import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSeriesTable, sparkline } from "./query-metrics.ts";
import { formatLines } from "./query-logs.ts";

test("a sparkline shows the course, blanks where nothing is", () => {
  assert.equal(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 0, 7), "▁▂▃▄▅▆▇█");
  assert.equal(sparkline([5, Number.NaN, 5], 5, 5), "▁ ▁");
  assert.equal(
    sparkline(
      Array.from({ length: 300 }, (_, i) => i),
      0,
      299,
    ).length,
    30,
  );
});

test("series as a table", () => {
  const table = formatSeriesTable([
    {
      metric: { __name__: "up", job: "a" },
      values: [
        [1, "0"],
        [2, "1"],
      ],
    },
    { metric: { __name__: "x" }, values: [[1, "NaN"]] },
  ]);
  assert.equal(
    table,
    '    last  min  max  series\n▁█     1    0    1  up{job="a"}\n     NaN    -    -  x\n',
  );
  assert.match(formatSeriesTable([]), /no data/);
});

test("lines of several streams by time", () => {
  const lines = formatLines([
    { stream: { service_name: "a" }, values: [["2000000000", "second"]] },
    { stream: {}, values: [["1500000000", "first"]] },
  ]);
  assert.equal(lines, "1970-01-01 00:00:01.500    first\n1970-01-01 00:00:02.000  a  second\n");
});
