import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { errorMessage, withParams } from "../src/api/http.ts";
import { decodeTailFrame, msToNs, tailAddress } from "../src/api/logs-api.ts";
import { decodeWho } from "../src/api/account-api.ts";
import { decodeMachine, overallHealth } from "../src/api/machine-api.ts";
import { decodeMetricList } from "../src/api/metrics-api.ts";
import { decodeQueryResult } from "../src/api/query-result.ts";

const reply = (resultType: string, result: unknown, more: object = {}) => ({
  status: "success",
  data: { resultType, result },
  ...more,
});

describe("query answers", () => {
  test("a matrix, with the words for infinity", () => {
    const result = decodeQueryResult(
      reply("matrix", [
        {
          metric: { a: "b" },
          values: [
            [1, "1.5"],
            [2, "+Inf"],
            [3, "NaN"],
          ],
        },
      ]),
    );
    assert.deepEqual(result.kind === "series" && result.series, [
      { labels: { a: "b" }, times: [1, 2, 3], values: [1.5, Infinity, Number.NaN] },
    ]);
  });
  test("a vector and a scalar are series of one point", () => {
    const vector = decodeQueryResult(reply("vector", [{ metric: {}, value: [5, "2"] }]));
    const scalar = decodeQueryResult(reply("scalar", [5, "2"]));
    assert.deepEqual(vector.kind === "series" && vector.series, [
      { labels: {}, times: [5], values: [2] },
    ]);
    assert.deepEqual(scalar.kind === "series" && scalar.series, [
      { labels: {}, times: [5], values: [2] },
    ]);
  });
  test("a native histogram is its count", () => {
    const result = decodeQueryResult(
      reply("vector", [{ metric: {}, histogram: [5, { count: "12", sum: "5.5" }] }]),
    );
    assert.deepEqual(result.kind === "series" && result.series[0]?.values, [12]);
  });
  test("streams keep labels, metadata and parsed fields apart", () => {
    const result = decodeQueryResult(
      reply("streams", [
        {
          stream: { app: "x" },
          values: [
            [
              "1700000000000000001",
              "line",
              { structuredMetadata: { trace: "t" }, parsed: { code: "500" } },
            ],
          ],
        },
      ]),
    );
    assert.deepEqual(result.kind === "logs" && result.entries, [
      {
        timeNs: "1700000000000000001",
        line: "line",
        labels: { app: "x" },
        metadata: { trace: "t", code: "500" },
      },
    ]);
  });
  test("warnings and infos are told", () => {
    assert.deepEqual(
      decodeQueryResult(reply("matrix", [], { warnings: ["w"], infos: ["i"] })).warnings,
      ["w", "i"],
    );
  });
  test("an unknown type is an error that names it", () => {
    assert.throws(() => decodeQueryResult(reply("hologram", [])), /unknown type hologram/);
    assert.throws(() => decodeQueryResult({ status: "success" }), /no data/);
  });
});

describe("error bodies", () => {
  const rows: [name: string, body: string, expected: string][] = [
    [
      "Prometheus JSON",
      '{"status":"error","errorType":"bad_data","error":"1:5: parse error: x"}',
      "1:5: parse error: x",
    ],
    ["plain text of Loki", "parse error at line 1, col 2\n", "parse error at line 1, col 2"],
    ["a proxy's page", "<html>bad gateway</html>", "The server answered 502 without a reason."],
    ["nothing", "", "The server answered 502 without a reason."],
  ];
  for (const [name, body, expected] of rows)
    test(name, () => assert.equal(errorMessage(body, 502), expected));
});

describe("requests", () => {
  test("parameters are escaped and undefined ones left out", () => {
    assert.equal(withParams("/x", { q: 'a{b="c"}', limit: undefined }), "/x?q=a%7Bb%3D%22c%22%7D");
  });
  test("nanoseconds keep every digit", () =>
    assert.equal(msToNs(1_795_225_073_123), "1795225073123000000"));
  test("the tail is on the page's origin", () => {
    assert.match(
      tailAddress("https://h:1", "{}", "5"),
      /^wss:\/\/h:1\/loki\/api\/v1\/tail\?query=%7B%7D&start=5/,
    );
  });
  test("tail frames count what was dropped", () => {
    const frame = decodeTailFrame(
      '{"streams":[{"stream":{"a":"b"},"values":[["1","x"]]}],"dropped_entries":[{},{}]}',
    );
    assert.equal(frame.dropped, 2);
    assert.equal(frame.entries[0]?.line, "x");
  });
});

describe("the machine", () => {
  test("missing fields do not break the page", () => {
    const machine = decodeMachine({
      hostname: "box",
      components: [{ id: "a", health: "healthy" }, "rubbish"],
    });
    assert.equal(machine.hostname, "box");
    assert.equal(machine.cpus, 0);
    assert.deepEqual(machine.components, [{ id: "a", health: "healthy", message: "" }]);
  });
  test("health is the worst of the parts", () => {
    const part = (health: string) => ({ id: health, health, message: "" });
    assert.equal(overallHealth([]), "unknown");
    assert.equal(overallHealth([part("healthy")]), "healthy");
    assert.equal(overallHealth([part("healthy"), part("unknown")]), "degraded");
    assert.equal(overallHealth([part("unknown"), part("exited")]), "unhealthy");
  });
});

test("metrics take their metadata from the family", () => {
  const list = decodeMetricList(
    { data: ["http_bucket", "up", "x_total"] },
    {
      data: { http: [{ type: "histogram", help: "h" }], x_total: [{ type: "counter", help: "c" }] },
    },
  );
  assert.deepEqual(list, [
    { name: "http_bucket", type: "histogram", help: "h" },
    { name: "up", type: "", help: "" },
    { name: "x_total", type: "counter", help: "c" },
  ]);
});

test("who one is, and nobody when the answer says nothing", () => {
  const who = decodeWho({
    kind: "session",
    user: { id: "1", name: "ada", fullName: "", role: "viewer" },
    permissions: ["read"],
    readScopes: ['{host="a"}'],
    csrfToken: "t",
    providers: [{ name: "Example", path: "/p" }],
    isFirstSignIn: false,
  });
  assert.equal(who.user?.name, "ada");
  assert.deepEqual(who.providers, [{ name: "Example", path: "/p" }]);
  const nobody = decodeWho({ kind: "superuser", user: 5, providers: "x" });
  assert.deepEqual([nobody.kind, nobody.user, nobody.providers], ["unknown", null, []]);
});
