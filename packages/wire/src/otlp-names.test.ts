import assert from "node:assert/strict";
import { test } from "node:test";
import { labelNameOf, metricNameOf, OTLP_STRATEGIES, unitNameOf } from "./otlp-names.ts";
import type { OtlpNameKind, OtlpStrategy } from "./otlp-names.ts";

/** Names under each strategy, in the order of {@link OTLP_STRATEGIES}. */
const METRICS: readonly [
  name: string,
  unit: string,
  kind: OtlpNameKind,
  names: readonly (string | undefined)[],
][] = [
  [
    "http.server.duration",
    "s",
    "other",
    [
      "http_server_duration_seconds",
      "http_server_duration",
      "http.server.duration_seconds",
      "http.server.duration",
    ],
  ],
  ["requests", "1", "counter", ["requests_total", "requests", "requests_total", "requests"]],
  [
    "requests_total",
    "",
    "counter",
    ["requests_total", "requests_total", "requests_total", "requests_total"],
  ],
  [
    "my_total.events",
    "",
    "counter",
    ["my_events_total", "my_total_events", "my_total.events_total", "my_total.events"],
  ],
  ["total", "", "counter", ["total", "total", "total_total", "total"]],
  [
    "disk.io",
    "By/s",
    "gauge",
    ["disk_io_bytes_per_second", "disk_io", "disk.io_bytes_per_second", "disk.io"],
  ],
  [
    "io_bytes_per_second",
    "By/s",
    "gauge",
    // The suffix is one word, and no word of the name is the same.
    [
      "io_bytes_per_second_per_second",
      "io_bytes_per_second",
      "io_bytes_per_second",
      "io_bytes_per_second",
    ],
  ],
  ["use", "1", "gauge", ["use_ratio", "use", "use_ratio", "use"]],
  ["ratio.of.it", "1", "gauge", ["of_it_ratio", "ratio_of_it", "ratio.of.it_ratio", "ratio.of.it"]],
  ["jobs", "{jobs}/h", "counter", ["jobs_per_hour_total", "jobs", "jobs_per_hour_total", "jobs"]],
  ["speed", "km/h", "gauge", ["speed_km_per_hour", "speed", "speed_km_per_hour", "speed"]],
  ["x", "foo.bar", "gauge", ["x_foo_bar", "x", "x_foo.bar", "x"]],
  ["x", "{spilt}", "gauge", ["x", "x", "x", "x"]],
  ["x", " s ", "gauge", ["x_seconds", "x", "x_seconds", "x"]],
  ["x", "By/", "gauge", ["x_bytes", "x", "x_bytes", "x"]],
  ["x", "/s", "gauge", ["x_per_second", "x", "x_per_second", "x"]],
  ["a..b--c", "", "gauge", ["a_b_c", "a_b_c", "a..b--c", "a..b--c"]],
  ["a__b", "", "gauge", ["a_b", "a__b", "a__b", "a__b"]],
  ["_edge_", "", "gauge", ["edge", "_edge_", "_edge_", "_edge_"]],
  ["2xx.hits", "", "counter", ["_2xx_hits_total", "_2xx_hits", "2xx.hits_total", "2xx.hits"]],
  ["ns:name", "", "gauge", ["ns:name", "ns:name", "ns:name", "ns:name"]],
  ["größe", "", "gauge", ["gr_e", "gr_e", "größe", "größe"]],
  ["", "", "gauge", [undefined, undefined, undefined, undefined]],
  ["ü", "", "gauge", [undefined, undefined, "ü", "ü"]],
];

for (const [name, unit, kind, names] of METRICS) {
  test(`metric ${JSON.stringify(name)} in ${JSON.stringify(unit)}, ${kind}`, () => {
    assert.deepEqual(
      OTLP_STRATEGIES.map((strategy) => metricNameOf({ name, unit, kind }, strategy)),
      names,
    );
  });
}

const LABELS: readonly [
  attribute: string,
  escaped: string | undefined,
  plain: string | undefined,
][] = [
  ["http.method", "http_method", "http.method"],
  ["a..b", "a_b", "a..b"],
  ["_private", "_private", "_private"],
  ["__x__", "__x__", "__x__"],
  ["__a.b__", "__a_b__", "__a.b__"],
  ["1st", "key_1st", "1st"],
  ["größe", "gr_e", "größe"],
  ["", undefined, undefined],
  ["___", undefined, undefined],
  ["..", undefined, ".."],
];

for (const [attribute, escaped, plain] of LABELS) {
  test(`label ${JSON.stringify(attribute)}`, () => {
    const name = (strategy: OtlpStrategy) => labelNameOf(attribute, strategy);
    assert.deepEqual(
      [name("UnderscoreEscapingWithSuffixes"), name("NoTranslation")],
      [escaped, plain],
    );
  });
}

test("units of metadata", () => {
  const units = ["s", "By/s", "1", "", "%", "{requests}", "requests/s", "foo.bar", "m/s"];
  assert.deepEqual(units.map(unitNameOf), [
    "seconds",
    "bytes_per_second",
    "",
    "",
    "percent",
    "",
    "requests_per_second",
    "foo_bar",
    "meters_per_second",
  ]);
});
