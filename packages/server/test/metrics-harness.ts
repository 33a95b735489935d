/** The metrics API with rows of samples to write, for tests of its reading half. */
import { Labels } from "@finch/model";
import type { MetricStore } from "@finch/store";
import { encodeRemoteWrite } from "@finch/wire";
import type { MetricsApiOptions } from "../src/index.ts";
import { serveMetrics } from "./metrics-api.ts";
import type { ServedMetrics } from "./metrics-api.ts";
import { NOW_MS } from "./serve.ts";

export const WRITE_HEADERS = {
  "content-type": "application/x-protobuf",
  "content-encoding": "snappy",
  "x-prometheus-remote-write-version": "0.1.0",
} as const;

/** The API on a fresh store, of which functions may be replaced. */
export async function openApi(
  replace: Partial<MetricStore> = {},
  nowMs = NOW_MS,
  about: Partial<MetricsApiOptions> = {},
): Promise<ServedMetrics> {
  return await serveMetrics({ replace, nowMs: () => nowMs, about });
}

/** A sample of a test. */
export type Row = readonly [labels: Record<string, string>, secondsAgo: number, value: number];

/** A remote write request. */
export function encode(rows: readonly Row[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    encodeRemoteWrite({
      labels: rows.map(([labels]) => Labels.fromObject(labels)),
      timestampsMs: Float64Array.from(rows, ([, secondsAgo]) => NOW_MS - secondsAgo * 1000),
      values: Float64Array.from(rows, ([, , value]) => value),
      metadata: [{ family: "up", type: "gauge", help: "Whether it is up.", unit: "" }],
    }),
  );
}
