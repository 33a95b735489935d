/**
 * Read scopes of the logs API, as in `metrics-scope.test.ts`: whoever is limited to the scope gets the same answer of a server that holds other streams as well, whatever
 * they ask.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { openApi, ns, push, NOW_NS } from "./logs-api.ts";
import type { LogsApiUnderTest, Stream } from "./logs-api.ts";
import { askScoped, INSIDE, OUTSIDE, SCOPE_PARAMETER, scopeOf, several } from "./read-scope.ts";
import type { Ask } from "./read-scope.ts";

const MINE = ["web-1", "web-2"];
const OTHERS = [`${OUTSIDE}-1`, `${OUTSIDE}-2`];

function stream(host: string, from: number): Stream {
  const line = (n: number) =>
    JSON.stringify({ msg: `request of ${host} done`, user: `${host}-user`, n, level: "info" });
  const lines = Array.from({ length: 20 }, (_, n) => n);
  return [
    { host, service_name: `${host}-service`, [`${host.replaceAll("-", "_")}_label`]: "x" },
    lines.map((n) => [ns(from - n / 10), line(n), { trace: `${host}-trace` }]),
  ];
}

/** Some in a block, some in memory. */
async function filled(hosts: readonly string[]): Promise<LogsApiUnderTest> {
  const api = await openApi("disk", {}, { scopeOf });
  for (const from of [120, 30]) {
    const answer = await push(api, ...hosts.map((host) => stream(host, from)));
    assert.equal(answer.status, 204, answer.text);
    if (from === 120) await api.store.flush();
  }
  return api;
}

const RANGE = { start: ns(300), end: String(NOW_NS + 1n) };
const QUERIES = [
  '{host=~".+"}',
  '{host!~"web.*",service_name=~".+"}',
  `{host="${OUTSIDE}-1"}`,
  `{host=~"${OUTSIDE}.*|web-1"}`,
  '{service_name=~".+"} |= "done"',
  '{service_name=~".+"} != "web"',
  '{service_name=~".+"} | json | n > 5',
  `{service_name=~".+"} | json | user =~ "${OUTSIDE}.*"`,
  `{service_name=~".+"} | trace="${OUTSIDE}-1-trace"`,
  '{service_name=~".+"} | logfmt | __error__=""',
  'count_over_time({host=~".+"}[5m])',
  'sum(rate({host=~".+"} | json [5m]))',
  'sum by (host) (bytes_over_time({service_name=~".+"}[5m]))',
  `absent_over_time({host="${OUTSIDE}-1"}[5m])`,
  'topk(5, sum by (host) (count_over_time({service_name=~".+"}[5m])))',
  'sum(count_over_time({host=~".+"}[5m])) or vector(0)',
  `sum by (host) (count_over_time({host=~".+"}[5m])) unless sum by (host) (count_over_time({host=~"${OUTSIDE}.*"}[5m]))`,
  'quantile_over_time(0.9, {host=~".+"} | json | unwrap n [5m])',
  // Faults that may name what they are about.
  'count_over_time({host=~".+"}[5m]) * on () count_over_time({host=~".+"}[5m])',
  'sum_over_time({host=~".+"} | json | unwrap msg [5m])',
  '{host=~"("}',
  "{host=",
];

const SELECTORS = ["", '{host=~".+"}', `{host=~"${OUTSIDE}.*"}`, '{host!~"web.*"}'];

const scoped = (more: Record<string, string> = {}) =>
  SELECTORS.map((query) => ({ parameters: { ...RANGE, query, ...more } }));

/** What is asked of each path; a test holds that every one is there. */
const ASKS: Readonly<Record<string, readonly (Omit<Ask, "path"> & { readonly path?: string })[]>> =
  {
    "/loki/api/v1/query_range": QUERIES.flatMap((query) => [
      { parameters: { ...RANGE, query, step: "30", limit: "1000" } },
      { parameters: { ...RANGE, query, step: "30", limit: "3", direction: "forward" } },
    ]),
    "/loki/api/v1/query": QUERIES.map((query) => ({ parameters: { query, time: RANGE.end } })),
    "/loki/api/v1/format_query": [{ parameters: { query: "{a=~`.+`}" } }],
    "/loki/api/v1/labels": scoped(),
    "/loki/api/v1/label": scoped(),
    "/loki/api/v1/label/:name/values": [
      ...scoped().map((ask) => ({ ...ask, path: "/loki/api/v1/label/host/values" })),
      { path: "/loki/api/v1/label/service_name/values", parameters: RANGE },
      { path: `/loki/api/v1/label/${OUTSIDE}_1_label/values`, parameters: RANGE },
    ],
    "/loki/api/v1/series": [
      { parameters: RANGE },
      { parameters: several("match[]", SELECTORS.slice(1), RANGE) },
    ],
    "/loki/api/v1/status/buildinfo": [{}],
    "/loki/api/v1/index/stats": scoped(),
    "/loki/api/v1/index/shards": scoped({ targetBytesPerShard: "100" }),
    "/loki/api/v1/index/volume": [...scoped(), ...scoped({ aggregateBy: "labels" })],
    "/loki/api/v1/index/volume_range": scoped({ step: "30", targetLabels: "host" }),
    "/loki/api/v1/detected_labels": scoped(),
    "/loki/api/v1/detected_fields": QUERIES.slice(0, 4).map((query) => ({
      parameters: { ...RANGE, query },
    })),
    "/loki/api/v1/detected_field/:name/values": ["user", "trace"].map((name) => ({
      path: `/loki/api/v1/detected_field/${name}/values`,
      parameters: { ...RANGE, query: '{service_name=~".+"}' },
    })),
    "/loki/api/v1/patterns": QUERIES.slice(0, 6).map((query) => ({
      parameters: { ...RANGE, query, step: "30" },
    })),
    "/api/prom/query": [
      { parameters: { ...RANGE, query: '{host=~".+"}', limit: "1000" } },
      { parameters: { ...RANGE, query: '{host=~".+"}', regexp: OUTSIDE } },
    ],
    "/api/prom/label": [{ parameters: RANGE }],
    "/api/prom/label/:name/values": [{ path: "/api/prom/label/host/values", parameters: RANGE }],
    "/api/prom/series": [{ parameters: several("match", SELECTORS.slice(1), RANGE) }],
  };

function asksOf({ api }: LogsApiUnderTest): readonly Ask[] {
  const routes = api.routes.filter(({ kind, access }) => kind === "http" && access === "read");
  const paths = [...new Set(routes.map(({ path }) => path))];
  assert.deepEqual(paths.toSorted(), Object.keys(ASKS).toSorted());
  return paths.flatMap((path) => ASKS[path]!.map((ask) => ({ path, ...ask })));
}

describe("who is limited", () => {
  test("sees the same as if there was nothing else", async () => {
    await using alone = await filled(MINE);
    await using among = await filled([...MINE, ...OTHERS]);
    let told = 0;
    for (const ask of asksOf(among)) {
      const label = `${ask.path} ${new URLSearchParams(ask.parameters).toString()}`;
      const expected = await askScoped(alone.port, ask, INSIDE);
      const found = await askScoped(among.port, ask, INSIDE);
      assert.equal(found, expected, label);
      const unlimited = await askScoped(alone.port, ask, "");
      assert.equal(found, unlimited, `all of the scope is shown: ${label}`);
      if ((await askScoped(among.port, ask, "")) !== unlimited) told++;
    }
    assert.ok(told > 50, `only ${told} questions told of others when nobody was limited`);
  });

  for (const path of ["/loki/api/v1/tail", "/api/prom/tail"])
    test(`tails what is theirs, history and what comes: ${path}`, async () => {
      await using api = await filled([...MINE, ...OTHERS]);
      const all = openText(api.port, path, {});
      const mine = openText(api.port, path, { [SCOPE_PARAMETER]: INSIDE });
      await mine.until(() => mine.linesOf("request of web") === 80);
      await all.until(() => all.linesOf("request of") === 160);
      for (const host of [...OTHERS, ...MINE])
        await push(api, [{ host, service_name: "x" }, [[ns(1), `later ${host}`]]]);
      await mine.until(() => mine.linesOf("later web") === 2);
      await all.until(() => all.linesOf("later") === 4);
      mine.close();
      all.close();
      assert.equal(mine.linesOf(OUTSIDE), 0);
      assert.equal(all.linesOf(`later ${OUTSIDE}`), 2);
    });

  test("counts among all who tail", async () => {
    await using api = await openApi("disk", { tailsMax: 1 }, { scopeOf });
    const one = openText(api.port, "/loki/api/v1/tail", {});
    await once(one.socket, "open");
    const parameters = new URLSearchParams({ query: '{a="b"}', [SCOPE_PARAMETER]: INSIDE });
    const refused = new WebSocket(
      `ws://127.0.0.1:${api.port}/loki/api/v1/tail?${parameters.toString()}`,
    );
    await once(refused, "error");
    one.close();
  });
});

/** The text of the frames of a tail. */
function openText(port: number, path: string, more: Record<string, string>) {
  const wanted = { query: '{host=~".+"}', limit: "1000", start: ns(300), ...more };
  const socket = new WebSocket(
    `ws://127.0.0.1:${port}${path}?${new URLSearchParams(wanted).toString()}`,
  );
  let text = "";
  let wake = () => {};
  socket.addEventListener("message", (message) => {
    text += String(message.data);
    wake();
  });
  return {
    socket,
    close: () => socket.close(),
    /** How often the frames have that text, so far. */
    linesOf: (part: string) => text.split(part).length - 1,
    until: async (ready: () => boolean) => {
      while (!ready())
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    },
  };
}
