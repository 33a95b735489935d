/** Who was refused and why, for the log and the figures: the first of each minute stand in the log, all are counted, so that whoever knocks does not fill the disk. */
import type { Clock, LogFields, Logger, MetricFamily } from "@finch/runtime";
import { REFUSALS_LOGGED_MAX } from "./limits.ts";

const MINUTE_MS = 60_000;
const KINDS = ["certificate", "token"] as const;
export type RefusalKind = (typeof KINDS)[number];

export class Refusals {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #totals: Record<RefusalKind, number> = { certificate: 0, token: 0 };
  #minuteBeganMs = 0;
  #logged = 0;
  #silent = 0;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** `fields` hold no secrets. */
  record(kind: RefusalKind, fields: LogFields): void {
    this.#totals[kind]++;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#minuteBeganMs >= MINUTE_MS) {
      if (this.#silent > 0)
        this.#log.warn("more were refused than the log tells", { count: this.#silent });
      this.#minuteBeganMs = nowMs;
      this.#logged = 0;
      this.#silent = 0;
    }
    if (this.#logged >= REFUSALS_LOGGED_MAX) {
      this.#silent++;
      return;
    }
    this.#logged++;
    this.#log.warn(`a ${kind} is refused`, fields);
  }

  families(): readonly MetricFamily[] {
    return [
      {
        name: "finch_control_refused_total",
        type: "counter",
        help: "Tokens of agents and certificates of clients that were refused.",
        samples: KINDS.map((kind) => ({ labels: { kind }, value: this.#totals[kind] })),
      },
    ];
  }
}
