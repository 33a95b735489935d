/** Runs the enabled collectors of `prometheus.exporter.windows` at each scrape; one that fails is told and keeps no other from its metrics. */
import type { Clock, Logger } from "@finch/runtime";
import { describeError } from "@finch/runtime";
import { Family, formatFamilies } from "../unix/family.ts";
import { COLLECTORS } from "./collectors.ts";
import type { WindowsCollector, WindowsSettings } from "./collector.ts";
import { Powershell } from "./powershell.ts";
import type { Answer, PowershellProgram } from "./powershell.ts";

export class WindowsExporter implements Disposable {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #collectors: readonly { readonly name: string; readonly collector: WindowsCollector }[];
  readonly #powershell: Powershell;

  constructor(
    names: readonly string[],
    settings: WindowsSettings,
    host: { readonly clock: Clock; readonly log: Logger; readonly program: PowershellProgram },
  ) {
    this.#clock = host.clock;
    this.#log = host.log;
    this.#collectors = names.map((name) => ({ name, collector: COLLECTORS[name]!(settings) }));
    const queries = this.#collectors.flatMap(({ collector }) => collector.queries);
    this.#powershell = new Powershell(host.program, queries);
  }

  /** The metrics as text; rejects when PowerShell does not answer. */
  async scrape(signal: AbortSignal): Promise<string> {
    const startMs = this.#clock.monotonicMs();
    const answers = await this.#powershell.ask(signal);
    const seconds = () => (this.#clock.monotonicMs() - startMs) / 1000;
    const families: Family[] = [];
    const took = exporterFamily("collector_duration_seconds", "Duration of a collection.");
    const success = exporterFamily("collector_success", "Whether the collector was successful.");
    const timeout = exporterFamily("collector_timeout", "Whether the collector timed out.");
    let next = 0;
    for (const { name, collector } of this.#collectors) {
      const own = answers.slice(next, (next += collector.queries.length));
      const found = this.#collect(name, collector, own);
      families.push(...(found ?? []));
      // All collectors are asked for at once.
      took.add(seconds(), "collector", name);
      success.add(found === undefined ? 0 : 1, "collector", name);
      timeout.add(0, "collector", name);
    }
    const whole = exporterFamily("scrape_duration_seconds", "Total scrape duration.");
    return formatFamilies([...families, took, success, timeout, whole.add(seconds())]);
  }

  #collect(
    name: string,
    collector: WindowsCollector,
    answers: readonly Answer[],
  ): readonly Family[] | undefined {
    try {
      return collector.collect(answers, this.#clock.nowMs());
    } catch (error) {
      this.#log.error("a collector failed", { collector: name, error: describeError(error) });
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#powershell[Symbol.dispose]();
  }
}

function exporterFamily(name: string, help: string): Family {
  return new Family("gauge", `windows_exporter_${name}`, `windows_exporter: ${help}`);
}
