/** Histograms for tests, in the notation of test scripts. */
import assert from "node:assert/strict";
import type { Histogram } from "@finch/model";
import { parsePoints } from "../../../tools/conformance/promql-points.ts";

/** The histogram that `{{text}}` stands for. */
export function histogramOf(text: string): Histogram {
  const [point] = parsePoints(`{{${text}}}`);
  assert.ok(typeof point === "object", text);
  return point.histogram;
}
