import assert from "node:assert/strict";
import { test } from "node:test";
import { formatMetricFamilies, singleMetric } from "./metric-family.ts";

test("families of one name are merged, sorted and escaped", () => {
  const text = formatMetricFamilies([
    singleMetric("z_total", "counter", "Last.", 3),
    {
      name: "a",
      type: "gauge",
      help: "A\\\nb.",
      samples: [{ labels: { x: 'q"\\\n' }, value: NaN }],
    },
    { name: "a", type: "gauge", help: "A\\\nb.", samples: [{ labels: {}, value: -Infinity }] },
    { name: "none", type: "gauge", help: "Nothing to tell.", samples: [] },
  ]);
  assert.equal(
    text,
    '# HELP a A\\\\\\nb.\n# TYPE a gauge\na{x="q\\"\\\\\\n"} NaN\na -Inf\n# HELP z_total Last.\n# TYPE z_total counter\nz_total 3\n',
  );
});
