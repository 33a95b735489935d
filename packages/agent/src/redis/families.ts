/** The families of one scrape, under the namespace of the component. */
import { FamilySet } from "../unix/family-set.ts";
import { HELPS } from "./helps.ts";

type RedisLabels = Readonly<Record<string, string>>;

export class RedisFamilies {
  readonly #set = new FamilySet();
  readonly #prefix: string;

  constructor(namespace: string) {
    this.#prefix = namespace === "" ? "" : `${namespace}_`;
  }

  gauge(name: string, value: number, labels: RedisLabels = {}): void {
    this.#take("gauge", name).add(value, ...pairsOf(labels));
  }

  counter(name: string, value: number, labels: RedisLabels = {}): void {
    this.#take("counter", name).add(value, ...pairsOf(labels));
  }

  /** `quantiles` by the label's value. */
  summary(
    name: string,
    of: {
      readonly quantiles: ReadonlyMap<string, number>;
      readonly sum: number;
      readonly count: number;
    },
    labels: RedisLabels = {},
  ): void {
    const family = this.#take("summary", name);
    for (const [quantile, value] of of.quantiles)
      family.add(value, ...pairsOf({ ...labels, quantile }));
    family.addSuffixed("_sum", of.sum, pairsOf(labels));
    family.addSuffixed("_count", of.count, pairsOf(labels));
  }

  /** `buckets` by their bound, ascending, each with all below it. */
  histogram(
    name: string,
    of: {
      readonly buckets: readonly (readonly [bound: number, count: number])[];
      readonly sum: number;
      readonly count: number;
    },
    labels: RedisLabels,
  ): void {
    const family = this.#take("histogram", name);
    for (const [bound, count] of of.buckets)
      family.addSuffixed("_bucket", count, pairsOf({ ...labels, le: String(bound) }));
    family.addSuffixed("_bucket", of.count, pairsOf({ ...labels, le: "+Inf" }));
    family.addSuffixed("_sum", of.sum, pairsOf(labels));
    family.addSuffixed("_count", of.count, pairsOf(labels));
  }

  text(): string {
    return this.#set.text();
  }

  #take(type: "gauge" | "counter" | "summary" | "histogram", name: string) {
    return this.#set.take(type, this.#prefix + name, HELPS[name] ?? `${name} metric`);
  }
}

function pairsOf(labels: RedisLabels): string[] {
  return Object.entries(labels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flat();
}
