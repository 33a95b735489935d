/**
 * Receivers as a component sees them in its arguments: each wrapped for the edge from this component to it, which counts what goes over it, a batch
 * at a time, and shows it to those who watch.
 */
import type { LogsReceiver, MetricsReceiver } from "../receivers.ts";
import type { BlockSchema } from "../schema.ts";
import type { LiveDebug } from "./live-debug.ts";

type Receiver = LogsReceiver | MetricsReceiver;
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
        if (declared.type === "list(logs-receiver)" || declared.type === "list(metrics-receiver)")
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
      wrapped =
        receiver.kind === "logs-receiver" ? this.#wrapLogs(receiver) : this.#wrapMetrics(receiver);
      this.#known.set(receiver, wrapped);
    }
    return wrapped;
  }

  #wrapLogs(receiver: LogsReceiver): LogsReceiver {
    const live = this.#live;
    const edge = { from: this.#from, to: receiver.owner };
    return {
      kind: receiver.kind,
      owner: receiver.owner,
      async append(entries, signal) {
        if (live.isWatched) live.passEntries(edge, entries);
        const meter = live.meters.of(edge.from, receiver);
        meter.begin(live.clock.monotonicMs());
        let taken = 0;
        try {
          await receiver.append(entries, signal);
          taken = entries.length;
        } finally {
          meter.end(live.clock.monotonicMs(), taken, entries.length - taken);
        }
      },
    };
  }

  #wrapMetrics(receiver: MetricsReceiver): MetricsReceiver {
    const live = this.#live;
    const edge = { from: this.#from, to: receiver.owner };
    return {
      kind: receiver.kind,
      owner: receiver.owner,
      async append(samples, signal) {
        if (live.isWatched) live.passSamples(edge, samples);
        const meter = live.meters.of(edge.from, receiver);
        const count = samples.labels.length;
        meter.begin(live.clock.monotonicMs());
        let taken = 0;
        try {
          await receiver.append(samples, signal);
          taken = count;
        } finally {
          meter.end(live.clock.monotonicMs(), taken, count - taken);
        }
      },
    };
  }
}
