/** What a platform has: the collectors that node_exporter has on it, by name, and how they are run. Data only, so that one can be tested on another. */
import type { Collector } from "./collector.ts";
import type { CollectorOptions } from "./collector-options.ts";

/** What makes each collector of a platform. */
export type Makers<Name extends string = string> = Readonly<
  Record<Name, (options: CollectorOptions) => Collector>
>;

export interface Platform {
  /** As Go names it: `linux`, `darwin`. */
  readonly name: string;
  /** Every collector, and whether it is on by default. */
  readonly defaults: Readonly<Record<string, boolean>>;
  /** Collectors that node_exporter has here and Finch does not; named so that who asks for one is told so, not that it is a typing error. */
  readonly notBuilt: readonly string[];
  readonly options: CollectorOptions;
  /** The members of {@link CollectorOptions} that some collector here looks at. */
  readonly takes: readonly (keyof CollectorOptions)[];
  /**
   * Whether the collectors of a scrape run at once, as those do that wait for programs. One after the other, those that read memory do not
   * count each other's time as theirs.
   */
  readonly isConcurrent: boolean;
  /** Loads the code of the collectors: nobody needs that of another platform. */
  loadCollectors(): Promise<Makers>;
}
