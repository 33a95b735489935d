/** Which collectors a configuration comes to on a platform, and the scrape that runs them. */
import { isDeepStrictEqual } from "node:util";
import { describeError, FinchError, type Logger } from "@finch/runtime";
import type { Collector, Machine } from "./collector.ts";
import type { CollectorOptions } from "./collector-options.ts";
import { gauge, type Family } from "./family.ts";
import type { Platform } from "./platform.ts";
import { DARWIN, LINUX } from "./platforms.ts";

const PLATFORMS: readonly Platform[] = [LINUX, DARWIN];

/** Collectors of node_exporter on systems that Finch knows nothing of. */
const ON_OTHER_SYSTEMS: readonly string[] = ["devstat"];

/** The platform by Node's name of it; what is none of them is asked as Linux is, whose `/proc` some have. */
export function platformOf(name: string): Platform {
  return PLATFORMS.find((platform) => platform.name === name) ?? LINUX;
}

export interface CollectorChoice {
  /** Replaces the default set when not empty. */
  readonly set: readonly string[];
  readonly disable: readonly string[];
  /** Goes last, so it wins over `disable`. */
  readonly enable: readonly string[];
}

/**
 * The names a choice comes to, sorted; and those it asks for that node_exporter has on other platforms only. Alloy leaves the latter out, so
 * that one configuration serves all machines. Asking for what is not built is refused with `agent/collector-not-built`.
 */
export function chooseCollectors(
  platform: Platform,
  choice: CollectorChoice,
): { readonly names: readonly string[]; readonly elsewhere: readonly string[] } {
  const defaults = Object.keys(platform.defaults).filter((name) => platform.defaults[name]);
  const chosen = new Set(choice.set.length > 0 ? choice.set : defaults);
  for (const name of choice.disable) {
    assertKnown(name);
    chosen.delete(name);
  }
  for (const name of choice.enable) chosen.add(name);
  for (const name of chosen) {
    assertKnown(name);
    if (platform.notBuilt.includes(name)) {
      throw new FinchError(
        "unsupported",
        "agent/collector-not-built",
        `not supported yet: collector ${name}; remove it from the collectors`,
      );
    }
  }
  const sorted = [...chosen].sort();
  return {
    names: sorted.filter((name) => name in platform.defaults),
    elsewhere: sorted.filter((name) => !(name in platform.defaults)),
  };
}

/** The members of `options` that are not as they are by default, and that no collector of the platform looks at. */
export function optionsWithoutEffect(
  platform: Platform,
  options: CollectorOptions,
): readonly string[] {
  return (Object.keys(options) as (keyof CollectorOptions)[]).filter(
    (name) =>
      !platform.takes.includes(name) && !isDeepStrictEqual(options[name], platform.options[name]),
  );
}

function assertKnown(name: string): void {
  const isKnown =
    ON_OTHER_SYSTEMS.includes(name) ||
    PLATFORMS.some(({ defaults, notBuilt }) => name in defaults || notBuilt.includes(name));
  if (!isKnown) {
    throw new FinchError(
      "invalid",
      "agent/collector-unknown",
      `there is no collector ${JSON.stringify(name)}`,
    );
  }
}

/** Loads the named collectors. A scrape runs them and tells, for each, whether it succeeded and how long it took. */
export async function makeScrape(
  machine: Machine,
  about: {
    readonly platform: Platform;
    /** Of collectors that the platform has. */
    readonly names: readonly string[];
    readonly options: CollectorOptions;
    readonly log: Logger;
    readonly monotonicMs: () => number;
  },
): Promise<() => Promise<readonly Family[]>> {
  const { platform, names, options, log, monotonicMs } = about;
  const makers = await platform.loadCollectors();
  const collectors = names.map((name) => ({ name, collector: makers[name]!(options) }));
  const failing = new Map<string, string>();
  return async () => {
    const duration = gauge(
      "node_scrape_collector_duration_seconds",
      "node_exporter: Duration of a collector scrape.",
    );
    const success = gauge(
      "node_scrape_collector_success",
      "node_exporter: Whether a collector succeeded.",
    );
    const run = (collector: Collector) => runCollector(machine, collector, monotonicMs);
    const running = platform.isConcurrent
      ? collectors.map(({ collector }) => run(collector))
      : undefined;
    const families: Family[] = [];
    for (const [index, { name, collector }] of collectors.entries()) {
      const result = await (running?.[index] ?? run(collector));
      families.push(...result.families);
      duration.add(result.seconds, "collector", name);
      success.add(result.fault === undefined ? 1 : 0, "collector", name);
      report(failing, log, { name, fault: result.fault });
    }
    return [...families, duration, success];
  };
}

async function runCollector(
  machine: Machine,
  collector: Collector,
  monotonicMs: () => number,
): Promise<{
  readonly families: readonly Family[];
  readonly seconds: number;
  readonly fault: unknown;
}> {
  const startMs = monotonicMs();
  const seconds = () => (monotonicMs() - startMs) / 1000;
  try {
    const families = await collector.collect(machine);
    return { families, seconds: seconds(), fault: undefined };
  } catch (fault) {
    return { families: [], seconds: seconds(), fault };
  }
}

/** Logs when a collector begins to fail or fails differently, not at each scrape. */
function report(
  failing: Map<string, string>,
  log: Logger,
  about: { readonly name: string; readonly fault: unknown },
): void {
  const { name, fault } = about;
  if (fault === undefined) {
    failing.delete(name);
    return;
  }
  const error = describeError(fault);
  if (failing.get(name) === error) return;
  failing.set(name, error);
  const isNoData = fault instanceof FinchError && fault.code === "agent/collector-no-data";
  if (isNoData) log.debug("collector has no data", { collector: name, error });
  else log.warn("collector failed", { collector: name, error });
}
