/** `otelcol.processor.span` and `otelcol.processor.groupbyattrs` in a running agent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startProcessor, toKeyValues } from "./processor-harness.ts";

const spanConfig = (content: string) =>
  `otelcol.processor.span "p" {\n${content}\noutput {\ntraces = SINK\n}\n}`;

async function changed(content: string, span: object) {
  await using flow = await startProcessor(spanConfig(content));
  const resource = { attributes: toKeyValues({ "service.name": "shop" }) };
  const request = { resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] };
  const [tree] = await flow.send("traces", request);
  return tree!.resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
}

test("names of spans", async (t) => {
  const attributes = toKeyValues({
    svc: "users",
    op: "get",
    n: 12n,
    d: 1.5,
    ok: true,
    list: ["a"],
  });
  const from = (keys: string, separator = "") =>
    `name {\nfrom_attributes = [${keys}]\nseparator = "${separator}"\n}`;
  const to = (rules: string, more = "") =>
    `name {\nto_attributes {\nrules = [${rules}]\n${more}\n}\n}`;
  const document = '"^/doc/(?P<id>[0-9]+)/(?P<verb>.*)$"';
  const rows: readonly (readonly [string, string, string, Readonly<Record<string, string>>])[] = [
    [from('"svc", "op"', "::"), "x", "users::get", {}],
    [from('"op", "svc"'), "x", "getusers", {}],
    [from('"n", "d", "ok"', " "), "x", "12 1.5 true", {}],
    [from('"list"'), "x", "<unknown-attribute-type>", {}],
    // One is missing.
    [from('"svc", "none"'), "x", "x", {}],
    [to(document), "/doc/12/update", "/doc/{id}/{verb}", { id: "12", verb: "update" }],
    [to(document), "/other", "/other", {}],
    [to(document, "keep_original_name = true"), "/doc/1/a", "/doc/1/a", { id: "1", verb: "a" }],
    // Each rule sees the name that the one before made.
    [to('"^/(?P<a>\\\\w+)/", "/(?P<b>\\\\w+)$"'), "/x/y", "/{a}/{b}", { a: "x", b: "y" }],
    [
      to('"^/(?P<a>\\\\w+)/", "/(?P<b>\\\\w+)$"', "break_after_match = true"),
      "/x/y",
      "/{a}/y",
      { a: "x" },
    ],
    [to('"(?P<a>x)|(?P<b>y)"'), "y!", "{b}!", { a: "", b: "y" }],
    [`include {\nmatch_type = "strict"\nservices = ["bank"]\n}\n${from('"svc"')}`, "x", "x", {}],
    [`exclude {\nmatch_type = "regexp"\nspan_names = ["^x"]\n}\n${from('"svc"')}`, "x", "x", {}],
  ];
  for (const [content, name, expected, added] of rows)
    await t.test(content.replaceAll(/\s+/g, " "), async () => {
      const span = await changed(content, { name, attributes });
      assert.equal(span.name, expected);
      const more = [...span.attributes].slice(attributes.length);
      assert.deepEqual(Object.fromEntries(more), added);
    });
});

test("the status of spans", async () => {
  const failed = await changed('status {\ncode = "Error"\ndescription = "bad"\n}', { name: "x" });
  assert.deepEqual([failed.status.code, failed.status.message], [2, "bad"]);
  const fine = await changed('status {\ncode = "Ok"\n}', { status: { code: 2, message: "bad" } });
  assert.deepEqual([fine.status.code, fine.status.message], [1, ""]);
});

test("arguments of the span processor that are refused", async (t) => {
  const rows: Readonly<Record<string, RegExp>> = {
    "": /does nothing/,
    'status {\ncode = "Bad"\n}': /must be Ok, Error or Unset/,
    'status {\ncode = "Ok"\ndescription = "x"\n}': /goes with the code Error only/,
    'name {\nto_attributes {\nrules = ["("]\n}\n}': /bad regular expression/,
    'name {\nto_attributes {\nrules = ["(a)"]\n}\n}': /all groups need names/,
    'include {\nmatch_type = "strict"\nlog_bodies = ["a"]\n}\nstatus {\ncode = "Ok"\n}':
      /traces have none/,
  };
  for (const [content, expected] of Object.entries(rows))
    await t.test(content.replaceAll(/\s+/g, " "), async () => {
      await assert.rejects(async () => {
        await using flow = await startProcessor(spanConfig(content));
        assert.ok(flow);
      }, expected);
    });
});

const startGroups = (keys: string) =>
  startProcessor(
    `otelcol.processor.groupbyattrs "p" {\nkeys = [${keys}]\noutput {\ntraces = SINK\nmetrics = SINK\nlogs = SINK\n}\n}`,
  );
const resourceOf = (values: Readonly<Record<string, unknown>>) => ({
  attributes: toKeyValues(values),
});
const record = (values: Readonly<Record<string, unknown>>) => ({ attributes: toKeyValues(values) });

test("attributes become those of resources", async () => {
  await using flow = await startGroups('"host", "zone"');
  const [tree] = await flow.send("logs", {
    resourceLogs: [
      {
        resource: resourceOf({ app: "shop", host: "old" }),
        scopeLogs: [
          {
            scope: { name: "lib" },
            logRecords: [
              record({ host: "a", n: 1n }),
              record({ host: "b" }),
              record({ n: 3n }),
              record({ host: "a", zone: "z" }),
              record({ host: "a", n: 5n }),
            ],
          },
        ],
      },
    ],
  });
  const seen = tree!.resourceLogs.map(({ resource, scopeLogs }) => [
    Object.fromEntries(resource.attributes),
    scopeLogs.map(({ scope }) => scope.name),
    scopeLogs[0]!.logRecords.map(({ attributes }) => Object.fromEntries(attributes)),
  ]);
  assert.deepEqual(seen, [
    [{ app: "shop", host: "a" }, ["lib"], [{ n: 1n }, { n: 5n }]],
    [{ app: "shop", host: "b" }, ["lib"], [{}]],
    [{ app: "shop", host: "old" }, ["lib"], [{ n: 3n }]],
    [{ app: "shop", host: "a", zone: "z" }, ["lib"], [{}]],
  ]);
});

test("without keys equal resources and scopes are put together", async () => {
  await using flow = await startGroups("");
  const part = (values: Readonly<Record<string, unknown>>, scope: string, name: string) => ({
    resource: resourceOf(values),
    scopeSpans: [{ scope: { name: scope }, spans: [{ name }] }],
  });
  const [tree] = await flow.send("traces", {
    resourceSpans: [
      part({ a: 1n, b: "x" }, "one", "s1"),
      part({ b: "x", a: 1n }, "two", "s2"),
      part({ a: 1, b: "x" }, "one", "s3"),
      part({ a: 1n, b: "x" }, "one", "s4"),
    ],
  });
  const seen = tree!.resourceSpans.map(({ scopeSpans }) =>
    scopeSpans.map(({ scope, spans }) => `${scope.name}: ${spans.map(({ name }) => name).join()}`),
  );
  assert.deepEqual(seen, [["one: s1,s4", "two: s2"], ["one: s3"]]);
});

test("metrics are parted and put together by their points", async () => {
  await using flow = await startGroups('"host"');
  const gauge = (name: string, ...dataPoints: object[]) => ({
    name,
    unit: "1",
    gauge: { dataPoints },
  });
  const sum = (temporality: number, ...dataPoints: object[]) => ({
    name: "m",
    unit: "1",
    sum: { dataPoints, isMonotonic: true, aggregationTemporality: temporality },
  });
  const metrics = [
    gauge("m", record({ host: "a" }), record({ host: "b" })),
    gauge("m", record({ host: "a" })),
    sum(1, record({ host: "b" })),
    sum(2, record({ host: "b" })),
  ];
  const [tree] = await flow.send("metrics", {
    resourceMetrics: [{ resource: resourceOf({}), scopeMetrics: [{ metrics }] }],
  });
  const seen = tree!.resourceMetrics.map(({ resource, scopeMetrics }) => [
    resource.attributes.get("host"),
    scopeMetrics[0]!.metrics.map(({ gauge: g, sum: s }) =>
      g === undefined
        ? `sum ${s?.aggregationTemporality} of ${s?.dataPoints.length}`
        : `gauge of ${g.dataPoints.length}`,
    ),
  ]);
  assert.deepEqual(seen, [
    ["a", ["gauge of 2"]],
    ["b", ["gauge of 1", "sum 1 of 1", "sum 2 of 1"]],
  ]);
});
