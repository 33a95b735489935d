import assert from "node:assert/strict";
import { test } from "node:test";
import { PromqlParseError } from "./errors.ts";
import { parseQuery } from "./parser.ts";
import { PreparedQueries } from "./prepared-queries.ts";

/** Queries, and what of them was parsed. */
function counted() {
  const parsed: string[] = [];
  const queries = new PreparedQueries((query) => {
    parsed.push(query);
    return parseQuery(query);
  });
  return { queries, parsed };
}

void test("a query asked again is the one parsed before", () => {
  const { queries, parsed } = counted();
  const first = queries.get("1 + time()");
  assert.equal(queries.get("1 + time()"), first);
  assert.deepEqual(first, { query: "1 + time()", expr: parseQuery("1 + time()") });
  assert.equal(parsed.length, 1);
});

void test("the query not asked for longest goes first, by number and by length", () => {
  for (const text of [(i: number) => `${i}`, (i: number) => `${i}${" + 1".repeat(100)}`]) {
    const { queries, parsed } = counted();
    for (let i = 0; i < 1000; i++) {
      queries.get(text(i));
      queries.get(text(0));
    }
    assert.equal(parsed.length, 1000);
    queries.get(text(1));
    assert.equal(parsed.length, 1001);
  }
});

void test("what is long, has regular expressions or is wrong is not kept", () => {
  const { queries, parsed } = counted();
  for (const query of [`1${" + 1".repeat(200)}`, 'up{job=~"a.*"}']) {
    assert.notEqual(queries.get(query), queries.get(query));
  }
  for (let i = 0; i < 2; i++) assert.throws(() => queries.get("up{"), PromqlParseError);
  assert.equal(parsed.length, 6);
});
