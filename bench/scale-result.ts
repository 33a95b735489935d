/** What the parts of `metrics-scale.ts` are given and give back, and what they share: reading Finch's own figures. */
import type { MetricServer } from "./metric-servers.ts";

export interface ScaleContext {
  readonly cache: string;
  /** Of Finch; removed afterwards. */
  readonly directory: string;
  readonly nodeFlags: readonly string[];
  readonly say: (text: string) => void;
}

export interface ScaleResult {
  readonly figures: Readonly<Record<string, number | string>>;
  readonly curve: readonly Readonly<Record<string, number>>[];
  readonly target: { readonly what: string; readonly value: number; readonly limit: number };
}

/** A gauge or counter of Finch's own, without other labels than `signal="metrics"`; NaN when it is not there. */
export async function ownFigure(server: MetricServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text
    .split("\n")
    .find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{signal="metrics"} `));
  return Number(line?.split(" ").at(-1) ?? Number.NaN);
}
