/** What the parts of `metrics-scale.ts` and `logs-scale.ts` are given and give back, and what they share: showing it, reading Finch's own figures. */
import type { MetricServer } from "./metric-servers.ts";

export interface ScaleContext {
  readonly cache: string;
  /** Of Finch; removed afterwards. */
  readonly directory: string;
  readonly nodeFlags: readonly string[];
  /** Further flags of `finch up`. */
  readonly flags: readonly string[];
  readonly say: (text: string) => void;
}

export interface ScaleResult {
  readonly figures: Readonly<Record<string, number | string>>;
  readonly curve: readonly Readonly<Record<string, number>>[];
  readonly targets: readonly ScaleTarget[];
}

export interface ScaleTarget {
  readonly what: string;
  readonly value: number;
  /** At most. */
  readonly limit: number;
}

/** A gauge or counter of Finch's own, without other labels than `signal="metrics"`; NaN when it is not there. */
export async function ownFigure(server: MetricServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text
    .split("\n")
    .find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{signal="metrics"} `));
  return Number(line?.split(" ").at(-1) ?? Number.NaN);
}

/** For people. */
export function formatScale(name: string, { figures, curve, targets }: ScaleResult): string {
  const lines = Object.entries(figures).map(
    ([what, value]) => `  ${what}: ${typeof value === "number" ? round(value) : value}`,
  );
  for (const point of curve)
    lines.push(
      `    ${Object.entries(point)
        .map(([what, value]) => `${what} ${round(value)}`)
        .join("  ")}`,
    );
  for (const { what, value, limit } of targets)
    lines.push(
      `  target: ${what} ${round(value)}, at most ${round(limit)}: ${value <= limit ? "met" : "NOT MET"}`,
    );
  return `${name}\n${lines.join("\n")}\n`;
}

function round(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}
