import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FamilySet } from "../unix/family-set.ts";
import {
  addRows,
  by,
  collectTable,
  counter,
  gauge,
  literal,
  PICOSECONDS,
  withoutPrefix,
  type Figure,
  type Table,
} from "./table.ts";

const IO: Table = {
  from: "io WHERE name <> ''",
  labels: { schema: "db", name: { sql: "name", edit: withoutPrefix("t/") } },
  figures: [
    counter("ops_total", "Operations.", by("what", { write: "writes", read: "reads" })),
    counter("seconds_total", "Time.", "time", PICOSECONDS),
    gauge("rows", "Rows.", "reads", { labels: { schema: "db" } }),
  ],
};

async function textOf(table: Table, rows: readonly (readonly (string | null)[])[]) {
  const families = new FamilySet();
  const asked: string[] = [];
  await collectTable(
    (sql) => {
      asked.push(sql);
      return Promise.resolve({ columns: [], rows });
    },
    families,
    table,
  );
  return { asked, lines: families.text().split("\n") };
}

test("a table becomes one query, and each row a sample of every figure", async () => {
  const { asked, lines } = await textOf(IO, [
    ["d", "t/a", "1", "2", "1500000000000"],
    ["d", "b", "3", "4", "0"],
  ]);
  assert.deepEqual(asked, ["SELECT db, name, writes, reads, time FROM io WHERE name <> ''"]);
  assert.deepEqual(lines, [
    "# HELP ops_total Operations.",
    "# TYPE ops_total counter",
    'ops_total{name="a",schema="d",what="write"} 1',
    'ops_total{name="b",schema="d",what="write"} 3',
    'ops_total{name="a",schema="d",what="read"} 2',
    'ops_total{name="b",schema="d",what="read"} 4',
    "# HELP rows Rows.",
    "# TYPE rows gauge",
    'rows{schema="d"} 2',
    "# HELP seconds_total Time.",
    "# TYPE seconds_total counter",
    'seconds_total{name="a",schema="d"} 1.5',
    'seconds_total{name="b",schema="d"} 0',
    "",
  ]);
});

test("NULL is no sample, and an empty label", async () => {
  const { lines } = await textOf(IO, [[null, "a", null, "2", null]]);
  assert.deepEqual(
    lines.filter((line) => !line.startsWith("#")),
    ['ops_total{name="a",schema="",what="read"} 2', 'rows{schema=""} 2', ""],
  );
});

test("what is no number fails the collector, and is told", async () => {
  await assert.rejects(textOf(IO, [["d", "a", "1", "many", "0"]]), /reads is no number: "many"/);
  await assert.rejects(textOf(IO, [["d", "a", "1", "", "0"]]), /reads is no number: ""/);
});

test("a summary has its sum and count, and a column that is missing has no samples", () => {
  const families = new FamilySet();
  const summary = { type: "summary", name: "latency", help: "Latency." } as const;
  const figures: readonly Figure[] = [
    { ...summary, value: by("quantile", { 95: "q95" }) },
    { ...summary, suffix: "_sum", value: "total" },
    { ...summary, suffix: "_count", value: "count" },
    counter("new_total", "Of younger servers.", "new"),
  ];
  const answer = { columns: ["q95", "total", "count"], rows: [["1", "2", "3"]] };
  addRows(families, { labels: {}, figures }, answer);
  assert.equal(
    families.text(),
    '# HELP latency Latency.\n# TYPE latency summary\nlatency{quantile="95"} 1\nlatency_sum 2\nlatency_count 3\n',
  );
});

describe("texts in SQL", () => {
  for (const [text, expected] of [
    ["", "''"],
    ["'; DROP", "_utf8mb4 X'273b2044524f50'"],
    ["ä\\", "_utf8mb4 X'c3a45c'"],
  ] as const)
    test(JSON.stringify(text), () => assert.equal(literal(text), expected));
});
