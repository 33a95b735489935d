/** Metrics of memcached out of its statistics. What a version of it does not tell is left out. */
import type { FamilySet } from "../unix/family-set.ts";
import type { MemcachedAnswers, Statistics } from "./client.ts";
import { CRAWLER, EXTSTORE, ITEMS, SETTINGS, SLABS, STATS, type Figure } from "./figures.ts";

const OPERATIONS = ["get", "delete", "incr", "decr", "cas", "touch"];
const COMMANDS_HELP =
  "Total number of all requests broken down by command (get, set, etc.) and status";
const WORDS: Readonly<Record<string, number>> = { yes: 1, no: 0 };

export function addMemcached(families: FamilySet, answers: MemcachedAnswers): void {
  const { stats, settings, items, slabs } = answers;
  families
    .take("gauge", "memcached_version", "The version of this memcached server.")
    .add(1, "version", stats.get("version") ?? "");
  addFigures(families, STATS, stats);
  if (stats.has("extstore_limit_maxbytes")) addFigures(families, EXTSTORE, stats);
  addFigures(families, SETTINGS, settings);
  if (settings.get("lru_crawler") === "yes") addFigures(families, CRAWLER, settings);
  addCommands(families, stats);
  // `items:3:number`, `3:chunk_size`.
  for (const [slab, of] of byClass(items, /^items:(\d+):(.+)$/)) {
    addFigures(families, ITEMS, of, ["slab", slab]);
    addHits(families, of, slab);
  }
  for (const [slab, of] of byClass(slabs, /^(\d+):(.+)$/)) {
    addFigures(families, SLABS, of, ["slab", slab]);
    addSlabCommands(families, of, slab);
  }
}

function numberOf(statistics: Statistics, key: string): number | undefined {
  const text = statistics.get(key);
  if (text === undefined) return undefined;
  // Seconds and microseconds, without zeros in front of the latter in old versions.
  const [, seconds, microseconds] =
    (key.startsWith("rusage_") ? /^(\d+)\.(\d+)$/.exec(text) : null) ?? [];
  if (microseconds !== undefined) return Number(seconds) + Number(microseconds) / 1e6;
  const value = WORDS[text] ?? Number(text);
  return Number.isNaN(value) ? undefined : value;
}

function addFigures(
  families: FamilySet,
  figures: readonly Figure[],
  statistics: Statistics,
  labels: readonly string[] = [],
): void {
  for (const { type, key, name, help } of figures) {
    const value = numberOf(statistics, key);
    if (value !== undefined) families.take(type, `memcached_${name}`, help).add(value, ...labels);
  }
}

function addCommands(families: FamilySet, stats: Statistics): void {
  const family = families.take("counter", "memcached_commands_total", `${COMMANDS_HELP}.`);
  const add = (value: number | undefined, command: string, status: string) => {
    if (value !== undefined) family.add(value, "command", command, "status", status);
  };
  for (const operation of OPERATIONS) {
    add(numberOf(stats, `${operation}_hits`), operation, "hit");
    add(numberOf(stats, `${operation}_misses`), operation, "miss");
  }
  add(numberOf(stats, "cas_badval"), "cas", "badval");
  add(numberOf(stats, "cmd_flush"), "flush", "hit");
  add(without(stats, ["cas_misses", "cas_hits", "cas_badval"]), "set", "hit");
}

/** Memcached counts what `cas` stores among what `set` stores. */
function without(statistics: Statistics, keys: readonly string[]): number | undefined {
  const all = numberOf(statistics, "cmd_set");
  if (all === undefined) return undefined;
  return keys.reduce((rest, key) => rest - (numberOf(statistics, key) ?? 0), all);
}

function addSlabCommands(families: FamilySet, of: Statistics, slab: string): void {
  const family = families.take(
    "counter",
    "memcached_slab_commands_total",
    `${COMMANDS_HELP} per slab.`,
  );
  const add = (value: number | undefined, command: string, status: string) => {
    if (value !== undefined) family.add(value, "command", command, "slab", slab, "status", status);
  };
  for (const operation of OPERATIONS) add(numberOf(of, `${operation}_hits`), operation, "hit");
  add(numberOf(of, "cas_badval"), "cas", "badval");
  add(without(of, ["cas_hits", "cas_badval"]), "set", "hit");
}

const LISTS: Readonly<Record<string, string>> = {
  hot: "hot",
  warm: "warm",
  cold: "cold",
  temp: "temporary",
};

function addHits(families: FamilySet, of: Statistics, slab: string): void {
  for (const [key, lru] of Object.entries(LISTS)) {
    const value = numberOf(of, `hits_to_${key}`);
    if (value !== undefined)
      families
        .take("counter", "memcached_slab_lru_hits_total", "Number of get_hits to the LRU.")
        .add(value, "lru", lru, "slab", slab);
  }
}

function byClass(statistics: Statistics, pattern: RegExp): ReadonlyMap<string, Statistics> {
  const classes = new Map<string, Map<string, string>>();
  for (const [name, value] of statistics) {
    const [, slab, key] = pattern.exec(name) ?? [];
    if (key === undefined) continue;
    const known = classes.get(slab!);
    if (known === undefined) classes.set(slab!, new Map([[key, value]]));
    else known.set(key, value);
  }
  return classes;
}
