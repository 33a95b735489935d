/**
 * What can be seen of an agent while it works: how much flows over each edge and what is dropped, always; what it is, only while somebody watches
 * and the configuration allows it (`livedebugging`). Nobody watching costs a look at one flag for each batch.
 */
import type { Clock } from "@finch/runtime";
import { FinchError } from "@finch/runtime";
import { formatFloat, formatRfc3339 } from "@finch/model";
import type { Labels } from "@finch/model";
import type { LogEntry, ProfileSeries, SampleSet } from "../receivers.ts";
import type { AnyBatch } from "../otel/telemetry-batch.ts";
import { shownItems } from "../otel/telemetry-items.ts";
import { DropCounters } from "./drop-counters.ts";
import type { ComponentDrops, DroppedSample, DropPlace } from "./drop-counters.ts";
import { FlowMeters } from "./flow-meters.ts";
import { Tap } from "./tap.ts";
import type { TapChunk } from "./tap.ts";

/** The ends of what something goes over; one of them is empty for what a component exports. */
export interface Edge {
  readonly from: string;
  readonly to: string;
}

/** Something that passed, for people. */
export interface PassedItem extends Edge {
  readonly kind: "entry" | "sample" | "profile" | "span" | "target";
  readonly labels: string;
  /** The line, the value, format and size of a profile, the name of a span; empty for a target. */
  readonly text: string;
  /** RFC 3339; empty for a target, and for a profile, which carries its own. */
  readonly time: string;
  readonly metadata: string;
}

/** Something that was dropped, with where. */
export interface DroppedItem extends DroppedSample, DropPlace {
  readonly component: string;
}

/** People who watch at a time; each costs memory and time. */
const WATCHERS_MAX = 20;

export class LiveDebug {
  readonly clock: Clock;
  readonly meters = new FlowMeters();
  readonly drops = new DropCounters();
  readonly #isOnByDefault: boolean;
  #isOn: boolean;
  /** Whether anybody watches what passes. */
  isWatched = false;
  readonly #taps = new Map<string, Set<Tap<PassedItem>>>();
  readonly #dropTaps = new Set<Tap<DroppedItem>>();

  constructor(clock: Clock, { isOn }: { readonly isOn: boolean }) {
    this.clock = clock;
    this.#isOnByDefault = isOn;
    this.#isOn = isOn;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** How many watch. */
  get watchers(): number {
    const ofComponents = [...this.#taps.values()].reduce((sum, { size }) => sum + size, 0);
    return ofComponents + this.#dropTaps.size;
  }

  /** What the configuration says; undefined when it says nothing. Turned off, nobody sees any more. */
  configure(isOn: boolean | undefined): void {
    this.#isOn = isOn ?? this.#isOnByDefault;
  }

  /** What the component sends and is sent, and targets that it exports. Throws when that is off, or too many watch. */
  watch(component: string, signal: AbortSignal): AsyncGenerator<TapChunk<PassedItem>> {
    this.#admit();
    const tap = new Tap<PassedItem>();
    const taps = this.#taps.get(component) ?? new Set();
    this.#taps.set(component, taps.add(tap));
    this.isWatched = true;
    return this.#untilLeft(tap, signal, () => {
      taps.delete(tap);
      if (taps.size === 0) this.#taps.delete(component);
      this.isWatched = this.#taps.size > 0;
    });
  }

  /** Some of what is dropped anywhere. Throws as {@link watch}. */
  watchDrops(signal: AbortSignal): AsyncGenerator<TapChunk<DroppedItem>> {
    this.#admit();
    const tap = new Tap<DroppedItem>();
    this.#dropTaps.add(tap);
    return this.#untilLeft(tap, signal, () => this.#dropTaps.delete(tap));
  }

  #admit(): void {
    if (!this.#isOn)
      throw new FinchError(
        "unavailable",
        "agent/live-debugging-off",
        "live debugging is off; write livedebugging { enabled = true } into the configuration and reload it",
      );
    if (this.watchers >= WATCHERS_MAX)
      throw new FinchError(
        "limited",
        "agent/too-many-watchers",
        `${WATCHERS_MAX} watch already; close one of their pages`,
      );
  }

  async *#untilLeft<Item>(
    tap: Tap<Item>,
    signal: AbortSignal,
    leave: () => void,
  ): AsyncGenerator<TapChunk<Item>> {
    try {
      for await (const chunk of tap.read(this.clock, signal)) {
        if (!this.#isOn) return;
        yield chunk;
      }
    } finally {
      leave();
    }
  }

  passEntries(edge: Edge, entries: readonly LogEntry[]): void {
    this.#offer(edge, entries.length, (index) => {
      const { labels, line, timestampNs, structuredMetadata } = entries[index]!;
      return {
        ...edge,
        kind: "entry",
        labels: String(labels),
        text: line,
        time: formatRfc3339(timestampNs),
        metadata: structuredMetadata.size === 0 ? "" : String(structuredMetadata),
      };
    });
  }

  passSamples(edge: Edge, { labels, values, timestampsMs }: SampleSet): void {
    this.#offer(edge, labels.length, (index) => ({
      ...edge,
      kind: "sample",
      labels: String(labels[index]!),
      text: formatFloat(values[index]!),
      time: new Date(timestampsMs[index]!).toISOString(),
      metadata: "",
    }));
  }

  passProfiles(edge: Edge, series: readonly ProfileSeries[]): void {
    this.#offer(edge, series.length, (index) => {
      const one = series[index]!;
      return {
        ...edge,
        kind: "profile",
        labels: String(one.labels),
        text: describeProfiles(one),
        time: "",
        metadata: "",
      };
    });
  }

  passTelemetry(edge: Edge, batch: AnyBatch): void {
    const shown = shownItems(batch.signal, batch.tree());
    this.#offer(edge, shown.length, (index) => ({ ...edge, ...shown[index]!() }));
  }

  /** A component exports targets. */
  passTargets(component: string, targets: readonly Labels[]): void {
    this.#offer({ from: component, to: "" }, targets.length, (index) => ({
      from: component,
      to: "",
      kind: "target",
      labels: String(targets[index]!),
      text: "",
      time: "",
      metadata: "",
    }));
  }

  #offer({ from, to }: Edge, count: number, itemAt: (index: number) => PassedItem): void {
    for (const id of from === to ? [from] : [from, to])
      for (const tap of this.#taps.get(id) ?? []) tap.offer(count, itemAt);
  }

  /** For the context of a component. */
  dropsOf(component: string): ComponentDrops {
    return {
      count: (place, amount, samples) => {
        this.drops.add(component, place, amount, this.clock.nowMs());
        if (this.#dropTaps.size === 0 || samples === undefined) return;
        const dropped = samples();
        for (const tap of this.#dropTaps)
          tap.offer(dropped.length, (index) => ({ ...place, ...dropped[index]!, component }));
      },
    };
  }

  forget(component: string): void {
    this.meters.forget(component);
    this.drops.forget(component);
  }
}

function describeProfiles(series: ProfileSeries): string {
  if (series.kind === "ingested") {
    const format = series.parameters.find(([name]) => name === "format")?.[1] ?? "groups";
    return `${format}, ${series.body.length} bytes`;
  }
  const { profiles } = series;
  const bytes = profiles.reduce((sum, { pprof }) => sum + pprof.length, 0);
  return `${profiles.length} in pprof, ${bytes} bytes`;
}
