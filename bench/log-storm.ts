/** A label with a value of its own on every line: nothing may be refused, memory must not follow the values, and every line must be found again. */
import { Labels } from "@finch/model";
import { encodeLokiPush } from "@finch/wire";
import { PUSH_PATH, sendParts } from "./log-http.ts";
import { bytesBelow, startFinch } from "./metric-servers.ts";
import type { MetricServer } from "./metric-servers.ts";
import { cpuSeconds, residentBytes, untilIdle } from "./process-usage.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";

const STREAMS_PER_PUSH = 2000;
const POINTS = 10;
const RSS_MB_MAX = 400;
const VALUES_ASKED = 20;
const LOOKUP_MS_MAX = 300;
const AGE_MS = 60_000;

export async function measureLogStorm(context: ScaleContext, values: number): Promise<ScaleResult> {
  const { directory, flags, nodeFlags, say } = context;
  await using server = await startFinch({ directory, api: "loki", nodeFlags, flags });
  const before = cpuSeconds(server.pid);
  const start = performance.now();
  const baseNs = BigInt(Date.now() - AGE_MS) * 1_000_000n;
  const curve: Record<string, number>[] = [];
  let refusals = 0;
  for (let point = 0; point < POINTS; point++) {
    const [from, to] = [point, point + 1].map((n) => Math.round((values * n) / POINTS));
    const sent = await sendParts(starts(from!, to!), server.url + PUSH_PATH, (first) =>
      encodeStreams(first, Math.min(to!, first + STREAMS_PER_PUSH), baseNs),
    );
    refusals += sent.refusals;
    const { current, peak } = residentBytes(server.pid);
    curve.push({ values: to!, rssMB: current / 1e6, peakMB: peak / 1e6 });
    say(`${to} values, RSS ${(current / 1e6).toFixed(0)} MB, peak ${(peak / 1e6).toFixed(0)} MB`);
  }
  const wallSeconds = (performance.now() - start) / 1000;
  await untilIdle(server.pid, { quietMs: 3000, limitMs: 120_000 });
  const cpu = cpuSeconds(server.pid) - before;
  const { lost, medianMs } = await lookUp(server, values, baseNs);
  return {
    figures: {
      values,
      "values a second": values / wallSeconds,
      "µs of CPU a value": (cpu * 1e6) / values,
      "bytes on disk a value": bytesBelow(directory) / values,
      "a value looked up, ms": medianMs,
      "RSS after it, MB": residentBytes(server.pid).current / 1e6,
    },
    curve,
    targets: [
      { what: "pushes refused", value: refusals, limit: 0 },
      { what: "lines not found", value: lost, limit: 0 },
      { what: "a value looked up, median ms", value: medianMs, limit: LOOKUP_MS_MAX },
      { what: "peak RSS, MB", value: residentBytes(server.pid).peak / 1e6, limit: RSS_MB_MAX },
    ],
  };
}

function* starts(from: number, to: number): Generator<number> {
  for (let first = from; first < to; first += STREAMS_PER_PUSH) yield first;
}

const valueOf = (n: number): string => `req-${((n * 2_654_435_761) % 2 ** 32).toString(16)}-${n}`;

/** One line a value. */
function encodeStreams(from: number, to: number, baseNs: bigint): Uint8Array {
  return encodeLokiPush(
    Array.from({ length: to - from }, (_, i) => {
      const n = from + i;
      const lines = Buffer.from(`level=info msg="request ${n} done" code=200`);
      return {
        labels: Labels.fromObject({ job: "storm", env: "prod", request_id: valueOf(n) }),
        entries: {
          count: 1,
          timestampsNs: BigInt64Array.of(baseNs + BigInt(n) * 1000n),
          lines,
          lineBounds: Uint32Array.of(0, lines.length),
          metadataSets: [Labels.EMPTY],
          metadataOf: Uint32Array.of(0),
        },
      };
    }),
  );
}

/** How many lines are missing by count, and of the values asked for one by one; and how long one of these takes. */
async function lookUp(
  server: MetricServer,
  values: number,
  baseNs: bigint,
): Promise<{ readonly lost: number; readonly medianMs: number }> {
  const ask = async (query: string): Promise<number> => {
    const time = String(baseNs + BigInt(values + 1) * 1000n);
    const parameters = new URLSearchParams({ query, time });
    const reply = await fetch(`${server.url}/loki/api/v1/query?${parameters.toString()}`);
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${query} is answered ${reply.status}: ${text.slice(0, 300)}`);
    const { data } = JSON.parse(text) as { data: { result: { value: [number, string] }[] } };
    return Number(data.result[0]?.value[1] ?? 0);
  };
  let lost = values - (await ask('sum(count_over_time({job="storm"}[1h]))'));
  const took: number[] = [];
  for (let i = 0; i < VALUES_ASKED; i++) {
    const value = valueOf(Math.floor(((i + 0.5) * values) / VALUES_ASKED));
    const startMs = performance.now();
    const found = await ask(`sum(count_over_time({job="storm"} | request_id="${value}" [1h]))`);
    took.push(performance.now() - startMs);
    if (found !== 1) lost++;
  }
  const medianMs = took.toSorted((a, b) => a - b)[took.length >> 1]!;
  return { lost, medianMs };
}
