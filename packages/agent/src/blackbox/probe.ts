/** One probe: its gauges, its clock, its deadline, and why it failed. Names and help are those of blackbox_exporter. */
import { Family, formatFamilies } from "../unix/family.ts";

export interface GaugeName {
  readonly name: string;
  readonly help: string;
}

interface Row {
  readonly labels: readonly string[];
  value: number;
}

export class Probe {
  /** Aborts when time is up or nobody waits any more. */
  readonly signal: AbortSignal;
  readonly monotonicMs: () => number;
  /** What happened, in order; the last line of a failed probe says why. */
  readonly lines: string[] = [];
  readonly #gauges = new Map<string, { readonly help: string; readonly rows: Map<string, Row> }>();

  constructor(options: { readonly signal: AbortSignal; readonly monotonicMs: () => number }) {
    this.signal = options.signal;
    this.monotonicMs = options.monotonicMs;
  }

  note(line: string): void {
    this.lines.push(line);
  }

  /** Notes why the probe failed; answers false. */
  fail(why: string): false {
    this.lines.push(why);
    return false;
  }

  /** Sets a gauge; `labels` are `name, value, …`, the names in alphabetical order. */
  set(gauge: GaugeName, value: number, ...labels: string[]): void {
    this.#row(gauge, labels).value = value;
  }

  add(gauge: GaugeName, value: number, ...labels: string[]): void {
    this.#row(gauge, labels).value += value;
  }

  #row({ name, help }: GaugeName, labels: readonly string[]): Row {
    let gauge = this.#gauges.get(name);
    if (gauge === undefined) this.#gauges.set(name, (gauge = { help, rows: new Map() }));
    const key = labels.join("\u0001");
    let row = gauge.rows.get(key);
    if (row === undefined) gauge.rows.set(key, (row = { labels, value: 0 }));
    return row;
  }

  text(): string {
    return formatFamilies(
      [...this.#gauges].map(([name, { help, rows }]) => {
        const family = new Family("gauge", name, help);
        for (const key of [...rows.keys()].toSorted()) {
          const { value, labels } = rows.get(key)!;
          family.add(value, ...labels);
        }
        return family;
      }),
    );
  }
}
