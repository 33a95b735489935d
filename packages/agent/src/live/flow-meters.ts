/** What flows from one component to another, counted a batch at a time: how much, how much was refused, and how long the sender waited. */
import type { OtlpSignal } from "@finch/wire";
import type { Receiver } from "../receivers.ts";

/** What an edge carries: log entries, samples, profiles, or telemetry in OpenTelemetry's form. */
export type MeteredKind = "logs" | "metrics" | "profiles" | "otlp";

export type MeteredSignal = OtlpSignal | "profiles";

const KIND_OF: Readonly<Record<Receiver["kind"], MeteredKind>> = {
  "logs-receiver": "logs",
  "metrics-receiver": "metrics",
  "profiles-receiver": "profiles",
  "otel-consumer": "otlp",
};

/** Counts since the edge was made. Batches of one edge may overlap. */
export class FlowMeter {
  readonly from: string;
  readonly to: string;
  readonly kind: MeteredKind;
  readonly signal: MeteredSignal;
  /** Entries, samples, profiles or spans that were taken. */
  items = 0;
  /** Those of batches that were refused; a sender may offer them again. */
  refused = 0;
  #inFlight = 0;
  #waitingSinceMs = 0;
  #waitedMs = 0;

  constructor(
    { from, to }: { readonly from: string; readonly to: string },
    kind: MeteredKind,
    signal: MeteredSignal,
  ) {
    this.from = from;
    this.to = to;
    this.kind = kind;
    this.signal = signal;
  }

  begin(nowMs: number): void {
    if (this.#inFlight++ === 0) this.#waitingSinceMs = nowMs;
  }

  end(nowMs: number, taken: number, refused: number): void {
    this.items += taken;
    this.refused += refused;
    if (--this.#inFlight === 0) this.#waitedMs += nowMs - this.#waitingSinceMs;
  }

  /** Time during which at least one batch was on its way, up to now: all of the time, when the receiver is slower than the sender. */
  waitedMs(nowMs: number): number {
    return this.#waitedMs + this.pendingMs(nowMs);
  }

  /** How long something has been on its way now; 0 when nothing is. */
  pendingMs(nowMs: number): number {
    return this.#inFlight === 0 ? 0 : nowMs - this.#waitingSinceMs;
  }
}

/** The meters of an agent. */
export class FlowMeters {
  readonly #meters = new Map<string, FlowMeter>();

  /** The one between two components for a signal; made when there is none. */
  of(from: string, receiver: Receiver, signal: MeteredSignal): FlowMeter {
    const kind = KIND_OF[receiver.kind];
    const key = `${from} ${receiver.owner} ${kind} ${signal}`;
    let meter = this.#meters.get(key);
    if (meter === undefined)
      this.#meters.set(key, (meter = new FlowMeter({ from, to: receiver.owner }, kind, signal)));
    return meter;
  }

  all(): readonly FlowMeter[] {
    return [...this.#meters.values()];
  }

  /** A component is gone, and with it what it sent and was sent. */
  forget(id: string): void {
    for (const [key, { from, to }] of this.#meters)
      if (from === id || to === id) this.#meters.delete(key);
  }
}
