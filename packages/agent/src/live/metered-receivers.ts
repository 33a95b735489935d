/**
 * Receivers as a component sees them in its arguments: each wrapped for the edge from this component to it, which counts what goes over it, a batch
 * at a time, and shows it to those who watch.
 */
import { countProfiles } from "../receivers.ts";
import type {
  LogsReceiver,
  MetricsReceiver,
  ProfilesReceiver,
  Receiver,
  TelemetryConsumer,
} from "../receivers.ts";
import type { BlockSchema } from "../schema.ts";
import type { MeteredSignal } from "./flow-meters.ts";
import type { LiveDebug } from "./live-debug.ts";

type Values = Readonly<Record<string, unknown>>;

/** Wraps the receivers in arguments of one component. The same receiver gives the same wrapper, so that arguments can be compared. */
export class EdgeReceivers {
  readonly #from: string;
  readonly #live: LiveDebug;
  readonly #known = new WeakMap<Receiver, Receiver>();

  constructor(from: string, live: LiveDebug) {
    this.#from = from;
    this.#live = live;
  }

  /** The values with all receivers in them wrapped; the same object when there are none. */
  wrapIn<Decoded extends Values>(values: Decoded, schema: BlockSchema): Decoded {
    let changed: Record<string, unknown> | undefined;
    for (const [name, declared] of Object.entries(schema)) {
      const value = values[name];
      if (value === undefined) continue;
      let next: unknown = value;
      if (declared.kind === "attribute") {
        if (RECEIVER_LISTS.has(declared.type))
          next = (value as readonly Receiver[]).map((receiver) => this.#wrap(receiver));
      } else if (declared.kind === "block" && declared.repeat === "many")
        next = (value as readonly Values[]).map((one) => this.wrapIn(one, declared.schema));
      else if (declared.kind === "block") next = this.wrapIn(value as Values, declared.schema);
      if (next !== value) (changed ??= { ...values })[name] = next;
    }
    return changed === undefined ? values : (changed as Decoded);
  }

  #wrap(receiver: Receiver): Receiver {
    let wrapped = this.#known.get(receiver);
    if (wrapped === undefined) {
      wrapped = this.#wrapNew(receiver);
      this.#known.set(receiver, wrapped);
    }
    return wrapped;
  }

  #wrapNew(receiver: Receiver): Receiver {
    if (receiver.kind === "logs-receiver") return this.#wrapLogs(receiver);
    if (receiver.kind === "metrics-receiver") return this.#wrapMetrics(receiver);
    if (receiver.kind === "profiles-receiver") return this.#wrapProfiles(receiver);
    return this.#wrapTelemetry(receiver);
  }

  #wrapLogs(receiver: LogsReceiver): LogsReceiver {
    const edge = { from: this.#from, to: receiver.owner };
    return {
      ...receiver,
      append: (entries, signal) => {
        if (this.#live.isWatched) this.#live.passEntries(edge, entries);
        return this.#metered(receiver, { signal: "logs", count: entries.length }, () =>
          receiver.append(entries, signal),
        );
      },
    };
  }

  #wrapMetrics(receiver: MetricsReceiver): MetricsReceiver {
    const edge = { from: this.#from, to: receiver.owner };
    return {
      ...receiver,
      append: (samples, signal) => {
        if (this.#live.isWatched) this.#live.passSamples(edge, samples);
        return this.#metered(receiver, { signal: "metrics", count: samples.labels.length }, () =>
          receiver.append(samples, signal),
        );
      },
    };
  }

  #wrapProfiles(receiver: ProfilesReceiver): ProfilesReceiver {
    const edge = { from: this.#from, to: receiver.owner };
    return {
      kind: receiver.kind,
      owner: receiver.owner,
      append: (series, signal) => {
        if (this.#live.isWatched) this.#live.passProfiles(edge, series);
        const count = countProfiles(series);
        return this.#metered(receiver, { signal: "profiles", count }, () =>
          receiver.append(series, signal),
        );
      },
    };
  }

  #wrapTelemetry(receiver: TelemetryConsumer): TelemetryConsumer {
    const edge = { from: this.#from, to: receiver.owner };
    return {
      ...receiver,
      consume: (batch, signal) => {
        if (this.#live.isWatched) this.#live.passTelemetry(edge, batch);
        return this.#metered(receiver, { signal: batch.signal, count: batch.items }, () =>
          receiver.consume(batch, signal),
        );
      },
    };
  }

  async #metered(
    receiver: Receiver,
    what: { readonly signal: MeteredSignal; readonly count: number },
    handOver: () => Promise<void>,
  ): Promise<void> {
    const { clock, meters } = this.#live;
    const meter = meters.of(this.#from, receiver, what.signal);
    meter.begin(clock.monotonicMs());
    let taken = 0;
    try {
      await handOver();
      taken = what.count;
    } finally {
      meter.end(clock.monotonicMs(), taken, what.count - taken);
    }
  }
}

const RECEIVER_LISTS: ReadonlySet<string> = new Set([
  "list(logs-receiver)",
  "list(metrics-receiver)",
  "list(profiles-receiver)",
  "list(otel-consumer)",
]);
