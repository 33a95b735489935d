/** What is written at the edges of a graph while it is looked at: rates, and how much a sender waits for its receiver. */
import type { Agent } from "../runtime/agent.ts";
import type { FlowMeter } from "../live/flow-meters.ts";
import { edgeKey } from "../graph-view/graph-svg.ts";
import { shownId } from "./graph-page.ts";

/** How far back rates look, by what flows: lines come all the time, samples and profiles once an interval. */
const WINDOW_MS = { logs: 5_000, traces: 5_000, metrics: 60_000, profiles: 60_000 } as const;
const UNITS = {
  logs: "lines",
  traces: "spans",
  metrics: "samples",
  profiles: "profiles",
} as const;
const TICK_MS = 1_000;
/** Share of the time that a sender waits from which it is told. */
const WAITS_SHARE = 0.5;
const BLOCKED_MS = 5_000;

export interface GraphState {
  readonly edges: readonly {
    readonly key: string;
    readonly text: string;
    readonly state: "" | "waits" | "blocked";
  }[];
  readonly nodes: readonly { readonly id: string; readonly state: string }[];
}

interface Reading {
  readonly atMs: number;
  readonly items: number;
  readonly refused: number;
  readonly waitedMs: number;
}

/** States of the graph of a module, one a second, until `signal` aborts. Readings are kept only meanwhile. */
export async function* watchGraph(
  agent: Agent,
  moduleId: string,
  signal: AbortSignal,
): AsyncGenerator<GraphState> {
  const readings = new Map<FlowMeter, Reading[]>();
  const { clock, meters } = agent.live;
  while (!signal.aborted) {
    const nowMs = clock.monotonicMs();
    const all = meters.all();
    for (const known of readings.keys()) if (!all.includes(known)) readings.delete(known);
    for (const meter of all) {
      const list = readings.get(meter) ?? [];
      readings.set(meter, list);
      list.push(readMeter(meter, nowMs));
      while (list.length > 1 && nowMs - list[0]!.atMs > WINDOW_MS[meter.signal]) list.shift();
    }
    yield {
      edges: edgesOf(readings, moduleId, nowMs),
      nodes: agent.components().map(({ id, health }) => ({ id, state: health.state })),
    };
    await clock.sleep(TICK_MS, signal).catch(() => {});
  }
}

function readMeter(meter: FlowMeter, nowMs: number): Reading {
  return {
    atMs: nowMs,
    items: meter.items,
    refused: meter.refused,
    waitedMs: meter.waitedMs(nowMs),
  };
}

interface EdgeSum {
  /** `items` when lines, spans and samples go over one edge. */
  unit: string;
  rate: number;
  total: number;
  refused: number;
  waits: number;
  pendingMs: number;
}

function edgesOf(
  readings: ReadonlyMap<FlowMeter, readonly Reading[]>,
  moduleId: string,
  nowMs: number,
): GraphState["edges"] {
  const sums = new Map<string, EdgeSum>();
  for (const [meter, list] of readings) {
    const key = edgeKey({ from: shownId(meter.from, moduleId), to: shownId(meter.to, moduleId) });
    const sum = sums.get(key) ?? {
      unit: UNITS[meter.signal],
      rate: 0,
      total: 0,
      refused: 0,
      waits: 0,
      pendingMs: 0,
    };
    sums.set(key, sum);
    if (sum.unit !== UNITS[meter.signal]) sum.unit = "items";
    const [first, last] = [list[0]!, list.at(-1)!];
    const seconds = (last.atMs - first.atMs) / 1000;
    sum.total += last.items;
    sum.pendingMs = Math.max(sum.pendingMs, meter.pendingMs(nowMs));
    if (seconds === 0) continue;
    sum.rate += (last.items - first.items) / seconds;
    sum.refused += last.refused - first.refused;
    sum.waits = Math.max(sum.waits, (last.waitedMs - first.waitedMs) / (seconds * 1000));
  }
  return [...sums].map(([key, sum]) => ({ key, ...describeSum(sum) }));
}

function describeSum(sum: EdgeSum): Pick<GraphState["edges"][number], "text" | "state"> {
  const { unit, rate, total, refused, waits, pendingMs } = sum;
  const flow = rate > 0 ? `${shortNumber(rate)} ${unit}/s` : `${shortNumber(total)} ${unit}`;
  if (pendingMs > BLOCKED_MS)
    return { text: `${flow}, blocked ${Math.round(pendingMs / 1000)} s`, state: "blocked" };
  if (refused > 0) return { text: `${flow}, ${shortNumber(refused)} refused`, state: "blocked" };
  if (waits >= WAITS_SHARE)
    return { text: `${flow}, waits ${Math.round(Math.min(1, waits) * 100)} %`, state: "waits" };
  return { text: flow, state: "" };
}

/** `0.4`, `12`, `1.2k`, `3.4M`. */
export function shortNumber(value: number): string {
  const units = ["", "k", "M", "G"];
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  const digits = scaled < 10 && (unit > 0 || !Number.isInteger(scaled)) ? 1 : 0;
  return `${scaled.toFixed(digits)}${units[unit]!}`;
}
