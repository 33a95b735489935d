/** A storm of label values: nothing is refused, everything is found, the decision survives. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { compileLineSelection } from "@finch/logql";
import { FinchError, nodeFileSystem, silentLogger } from "@finch/runtime";
import type { FileSystem } from "@finch/runtime";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openLogStore } from "@finch/store";
import { createLogsApi, DEFAULT_LOGS_LIMITS, openLabelDemotion } from "../src/index.ts";
import { JSON_TYPE, NOW_NS, openTail } from "./logs-api.ts";
import { SCOPE_PARAMETER, scopeOf } from "./read-scope.ts";
import { BUILD, fixedClock, serve, temporaryDirectory } from "./serve.ts";

const LIMIT = 20;

async function openApi(
  directory: string,
  { fileSystem = nodeFileSystem, labelValuesMax = LIMIT } = {},
) {
  await using opening = new AsyncDisposableStack();
  const store = opening.use(
    await openLogStore({
      directory: join(directory, "logs"),
      fileSystem: nodeFileSystem,
      clock: fixedClock,
      log: silentLogger,
      // Room for no more streams than a few labels of the limit make.
      limits: { ...DEFAULT_LIMITS, headSeriesMax: 500, freeBytesMin: 0 },
      retention: DEFAULT_RETENTION,
      compileSelection: compileLineSelection,
    }),
  );
  const demotion = await openLabelDemotion({
    path: join(directory, "demoted-labels.json"),
    fileSystem,
    clock: fixedClock,
    log: silentLogger,
    labelValuesMax,
    windowMs: 86_400_000,
    retentionMs: 86_400_000,
  });
  const api = createLogsApi({
    store,
    clock: fixedClock,
    limits: DEFAULT_LOGS_LIMITS,
    build: BUILD,
    retention: DEFAULT_RETENTION,
    demotion,
    scopeOf,
  });
  const served = opening.use(await serve(api.routes));
  const parts = opening.move();
  const push = async (streams: readonly (readonly [Record<string, string>, string])[]) =>
    await served.post(
      "/loki/api/v1/push",
      JSON.stringify({
        streams: streams.map(([stream, line]) => ({
          stream,
          values: [[String(NOW_NS - 1_000_000_000n), line, { own: "kept" }]],
        })),
      }),
      JSON_TYPE,
    );
  const lines = async (query: string) => {
    const { text } = await served.get("/loki/api/v1/query_range", { query, limit: "5000" });
    const { data } = JSON.parse(text) as {
      data: { result: { stream: Record<string, string>; values: [string, string][] }[] };
    };
    return data.result
      .flatMap(({ stream, values }) => values.map(([, line]) => ({ line, stream })))
      .toSorted((a, b) => (a.line < b.line ? -1 : 1));
  };
  const count = async (query: string) => {
    const { text } = await served.get("/loki/api/v1/query", { query, time: String(NOW_NS + 1n) });
    return (
      JSON.parse(text) as {
        data: { result: { metric: Record<string, string>; value: [number, string] }[] };
      }
    ).data.result;
  };
  return {
    ...served,
    store,
    push,
    lines,
    count,
    demotion,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

const storm = (from: number, to: number, extra: Record<string, string> = {}) =>
  Array.from({ length: to - from }, (_, i) => [
    { app: "shop", user: `u${from + i}`, ...extra },
    `line ${from + i}`,
  ]) as [Record<string, string>, string][];

test("a label with too many values is structured metadata from then on, and found as ever", async () => {
  await using directory = await temporaryDirectory();
  {
    await using api = await openApi(directory.path);
    assert.equal((await api.push(storm(0, 10))).status, 204);
    assert.equal((await api.push(storm(10, 2000))).status, 204);
    await api.push([[{ app: "other", user: "u5" }, "elsewhere"]]);
    // From before the decision, and from after it.
    for (const user of [3, 1999]) {
      const [found, ...more] = await api.lines(`{app="shop", user="u${user}"}`);
      assert.equal(more.length, 0);
      assert.equal(found!.line, `line ${user}`);
      assert.deepEqual(found!.stream, {
        app: "shop",
        service_name: "shop",
        user: `u${user}`,
        own: "kept",
        detected_level: "unknown",
      });
      assert.equal((await api.lines(`{app="shop"} | user="u${user}"`)).length, 1);
    }
    const found = async (query: string) => (await api.lines(query)).map(({ line }) => line);
    assert.deepEqual(await found('{user="u5"}'), ["elsewhere", "line 5"]);
    assert.deepEqual(await found('{user=~"u(4|199[0-2])"}'), [
      "line 1990",
      "line 1991",
      "line 1992",
      "line 4",
    ]);
    assert.equal((await found('{app="shop", user!="u5"}')).length, 1999);
    assert.equal((await found('{app="shop", user!~"u1.*"}')).length, 2000 - 1111);
    assert.equal((await found('{app="shop", user!~"u.*|"}')).length, 0);
    const { text } = await api.get("/loki/api/v1/series", {
      "match[]": '{app="shop", user="u1999"}',
    });
    assert.deepEqual(
      (JSON.parse(text) as { data: object[] }).data.map((labels) => Object.hasOwn(labels, "user")),
      [false],
    );
    const sums = await api.count(
      'sum by (user) (count_over_time({app="shop", user=~"u(1|1998)"}[1h]))',
    );
    assert.deepEqual(
      Object.fromEntries(sums.map(({ metric, value }) => [metric["user"], value[1]])),
      { u1: "1", u1998: "1" },
    );
    // In a block, metadata that no part of the query names is left where it is.
    await api.store.flush();
    const [total] = await api.count('sum(count_over_time({app="shop", user=~"u(1|1998)"}[1h]))');
    assert.equal(total!.value[1], "2", "metadata that is not grouped by is looked at all the same");
    assert.deepEqual(
      api.demotion.list().map(({ name, service }) => [name, service]),
      [["user", "shop"]],
    );
  }
  await using again = await openApi(directory.path);
  assert.equal((await again.lines('{user="u1500"}')).length, 1, "after a restart");
  const tail = openTail(again.port, { query: '{user="u7777"}', start: String(NOW_NS - 10n) });
  await once(tail.socket, "open");
  await again.push([...storm(7770, 7780)]);
  await tail.until(() => tail.lines.length > 0);
  assert.deepEqual(tail.lines, ["line 7777"]);
  tail.socket.close();
  const { text } = await again.get("/api/v1/logs/demoted_labels");
  assert.deepEqual(JSON.parse(text), {
    labels: [{ name: "user", service: "shop", since: "2026-11-20T00:00:00.000Z", until: null }],
  });
});

test("a label that all services have too many of is demoted everywhere; service_name stays", async () => {
  await using directory = await temporaryDirectory();
  await using api = await openApi(directory.path);
  const apps = Array.from(
    { length: 3000 },
    (_, i) => [{ app: `a${i}` }, `line ${i}`] as [Record<string, string>, string],
  );
  const { status, text } = await api.push(apps);
  assert.equal(status, 204, text);
  assert.deepEqual(
    api.demotion.list().map(({ name, service }) => [name, service]),
    [["app", undefined]],
  );
  const [found] = await api.lines('{app="a2999"}');
  assert.equal(found!.stream["service_name"], "unknown_service");
  assert.equal((await api.lines('{app="a7"}')).length, 1);
});

test("restored, a label is one of streams again and its lines are found", async () => {
  await using directory = await temporaryDirectory();
  await using api = await openApi(directory.path);
  await api.push(storm(0, 50));
  const url = `http://127.0.0.1:${api.port}/api/v1/logs/demoted_labels`;
  const refused = await fetch(`${url}?name=user`, { method: "DELETE" });
  assert.equal(refused.status, 404);
  const restored = await fetch(`${url}?name=user&service=shop`, { method: "DELETE" });
  assert.equal(restored.status, 200, await restored.text());
  await api.push(storm(60, 61));
  const { text } = await api.get("/loki/api/v1/label/user/values");
  assert.deepEqual((JSON.parse(text) as { data: string[] }).data.includes("u60"), true);
  assert.equal((await api.lines('{user="u49"}')).length, 1);
});

test("a decision that cannot be written is a 503, and nothing is stored by it", async () => {
  await using directory = await temporaryDirectory();
  let fails = true;
  const fileSystem: FileSystem = {
    ...nodeFileSystem,
    rename: (from, to) =>
      fails ? Promise.reject(new Error("no")) : nodeFileSystem.rename(from, to),
  };
  await using api = await openApi(directory.path, { fileSystem });
  const answer = await api.push(storm(0, 100));
  assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "10"]);
  assert.equal((await api.lines('{app="shop"}')).length, 0);
  fails = false;
  assert.equal((await api.push(storm(0, 100))).status, 204);
  assert.match(
    await readFile(join(directory.path, "demoted-labels.json"), "utf8"),
    /"name":"user"/,
  );
  assert.equal((await api.lines('{app="shop"}')).length, 100);
});

test("a damaged file of decisions is set aside and told, a newer one refused; 0 turns it off", async () => {
  await using directory = await temporaryDirectory();
  {
    await using api = await openApi(directory.path, { labelValuesMax: 0 });
    await api.push(storm(0, 100));
    assert.equal(api.demotion.list().length, 0);
  }
  const path = join(directory.path, "demoted-labels.json");
  for (const text of [
    "",
    "{}",
    "null",
    '{"version":0,"labels":[]}',
    '{"version":1,"labels":[{}]}',
  ]) {
    await writeFile(path, text);
    await using api = await openApi(directory.path);
    assert.deepEqual(api.demotion.list(), []);
    assert.equal(await readFile(`${path}.damaged`, "utf8"), text);
    await assert.rejects(readFile(path), { code: "ENOENT" });
  }
  await writeFile(path, '{"version":2,"labels":[]}');
  await assert.rejects(
    openApi(directory.path),
    (error) =>
      error instanceof FinchError &&
      error.code === "server/bad-demotions" &&
      /has version 2 .* or remove the file/.test(error.message),
  );
});

test("lines are deleted by a label that some of them have in their metadata", async () => {
  await using directory = await temporaryDirectory();
  await using api = await openApi(directory.path);
  await api.push(storm(0, 10));
  await api.push(storm(10, 200));
  const remove = async (query: string) => {
    const form = new URLSearchParams({ query, start: "0" }).toString();
    const type = { "content-type": "application/x-www-form-urlencoded" };
    const { status, text } = await api.post("/loki/api/v1/delete", form, type);
    assert.equal(status, 204, text);
  };
  await remove('{user="u3"}');
  await remove('{app="shop", user=~"u19."} |= "5"');
  await remove('{app="shop", user!~"u.|u1.+"} |~ "7$"');
  const left = (await api.lines('{app="shop"}')).map(({ line }) => line);
  const expected = Array.from({ length: 200 }, (_, i) => i).filter(
    (i) => i !== 3 && i !== 195 && !(i >= 20 && i < 100 && i % 10 === 7),
  );
  assert.deepEqual(left, expected.map((i) => `line ${i}`).toSorted());
});

test("who may read some streams alone reads no others by a demoted label", async () => {
  await using directory = await temporaryDirectory();
  await using api = await openApi(directory.path);
  await api.push(storm(0, 10));
  await api.push(storm(10, 60));
  await api.push([[{ app: "other", user: "u50" }, "elsewhere"]]);
  const found = async (scope: string, query: string) => {
    const parameters = { query, limit: "5000", [SCOPE_PARAMETER]: scope };
    const { text } = await api.get("/loki/api/v1/query_range", parameters);
    return [...text.matchAll(/"(line \d+|elsewhere)"/g)].map(([, line]) => line!).toSorted();
  };
  assert.deepEqual(await found("", '{user="u50"}'), ["elsewhere", "line 50"]);
  assert.deepEqual(await found('{app="shop"}', '{user="u50"}'), ["line 50"]);
  assert.deepEqual(await found('{app="other"}', '{user=~"u.*"}'), ["elsewhere"]);
  // A limit by the label itself is one of streams: what carries it in metadata is not shown.
  assert.deepEqual(await found('{user=~"u3|u50"}', '{app="shop"}'), ["line 3"]);
  assert.deepEqual(await found('{user=~"u3|u50"}', '{user=~"u.+"}'), ["elsewhere", "line 3"]);
});
