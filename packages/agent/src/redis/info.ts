/** Metrics out of the text of `INFO`, section by section. What a version does not tell is left out. */
import type { RedisFamilies } from "./families.ts";
import { COUNTERS, GAUGES } from "./fields.ts";

interface CommandTimes {
  readonly calls: number;
  readonly usec: number;
}

/** What of the text others need. */
export interface InfoFacts {
  readonly fields: ReadonlyMap<string, string>;
  /** By command, as `INFO` writes it: `config|get`. */
  readonly commands: ReadonlyMap<string, CommandTimes>;
}

export function addInfo(
  families: RedisFamilies,
  text: string,
  { nowMs, withSystemMetrics }: { readonly nowMs: number; readonly withSystemMetrics: boolean },
): InfoFacts {
  const fields = new Map<string, string>();
  const commands = new Map<string, CommandTimes>();
  const latencies = new Map<string, string>();
  let section = "";
  let master: MasterLabels = { master_host: "", master_port: "" };
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    if (line.startsWith("# ")) section = line.slice(2);
    const colon = line.indexOf(":");
    if (colon < 0 || line.startsWith("#")) continue;
    const key = line.slice(0, colon);
    const value = line.slice(colon + 1);
    fields.set(key, value);
    if (/^master(?:_\d+)?_host$/.test(key)) master = { ...master, master_host: value };
    if (/^master(?:_\d+)?_port$/.test(key)) master = { ...master, master_port: value };
    if (section === "Commandstats") addCommand(families, commands, key, value);
    else if (section === "Latencystats") latencies.set(key, value);
    else if (section === "Errorstats") addError(families, key, value);
    else if (section === "Keyspace" && addDatabase(families, key, value)) continue;
    else if (section === "Replication" && addReplication(families, key, value, master)) continue;
    else {
      if (section === "Server") addServer(families, key, value, nowMs);
      addField(families, key, value, withSystemMetrics);
    }
  }
  addLatencies(families, latencies, commands);
  addInstance(families, fields);
  return { fields, commands };
}

/** Fields of `CLUSTER INFO`. */
export function addClusterInfo(families: RedisFamilies, text: string): void {
  for (const line of text.split("\r\n")) {
    const [key = "", value, more] = line.split(":");
    if (value !== undefined && more === undefined) addField(families, key, value, false);
  }
}

function addField(
  families: RedisFamilies,
  key: string,
  text: string,
  withSystemMetrics: boolean,
): void {
  const thread = /^used_active_time_io_thread_(\d+)$/.exec(key)?.[1];
  const value = numberOf(text);
  if (value === undefined) return;
  if (thread !== undefined)
    return families.counter("active_time_io_thread_seconds_total", value, { thread });
  if (key === "total_system_memory") {
    if (withSystemMetrics) families.gauge("total_system_memory_bytes", value);
    return;
  }
  if (key === "latest_fork_usec") return families.gauge("latest_fork_seconds", value / 1e6);
  const counter = COUNTERS.get(key);
  const gauge = GAUGES.get(key);
  if (gauge !== undefined) families.gauge(gauge, value);
  else if (counter !== undefined) families.counter(counter, value);
  else if (/^(?:db|cmdstat_|cluster_)/.test(key))
    families.gauge(key.replace(/[^a-zA-Z0-9_]/g, "_"), value);
}

const WORDS: Readonly<Record<string, number>> = { ok: 1, true: 1, err: 0, fail: 0, false: 0 };

/** A number, or a word that stands for one; undefined for other text. */
export function numberOf(text: string): number | undefined {
  if (Object.hasOwn(WORDS, text)) return WORDS[text];
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

/** `calls=21,usec=175` by name. */
function partsOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split(",").map((part) => {
      const equals = part.indexOf("=");
      return [part.slice(0, Math.max(0, equals)), part.slice(equals + 1)];
    }),
  );
}

function numberIn(parts: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = parts.get(name);
  return text === undefined ? undefined : numberOf(text);
}

function addCommand(
  families: RedisFamilies,
  commands: Map<string, CommandTimes>,
  key: string,
  value: string,
): void {
  const parts = partsOf(value);
  const calls = numberIn(parts, "calls");
  const usec = numberIn(parts, "usec");
  if (!key.startsWith("cmdstat_") || calls === undefined || usec === undefined) return;
  const cmd = key.slice("cmdstat_".length);
  commands.set(cmd, { calls, usec });
  families.counter("commands_total", calls, { cmd });
  families.counter("commands_duration_seconds_total", usec / 1e6, { cmd });
  const rejected = numberIn(parts, "rejected_calls");
  const failed = numberIn(parts, "failed_calls");
  if (rejected !== undefined) families.counter("commands_rejected_calls_total", rejected, { cmd });
  if (failed !== undefined) families.counter("commands_failed_calls_total", failed, { cmd });
}

const PERCENTILES = "latency_percentiles_usec";

function addLatencies(
  families: RedisFamilies,
  latencies: ReadonlyMap<string, string>,
  commands: ReadonlyMap<string, CommandTimes>,
): void {
  for (const [key, text] of latencies) {
    const cmd = key.slice(PERCENTILES.length + 1);
    const times = commands.get(cmd);
    if (!key.startsWith(`${PERCENTILES}_`) || times === undefined) continue;
    const quantiles = new Map<string, number>();
    for (const [name, value] of partsOf(text)) {
      const number = numberOf(value);
      if (name.startsWith("p") && number !== undefined)
        quantiles.set(String(Number(name.slice(1))), number);
    }
    families.summary(PERCENTILES, { quantiles, sum: times.usec, count: times.calls }, { cmd });
  }
}

function addError(families: RedisFamilies, key: string, value: string): void {
  const count = numberIn(partsOf(value), "count");
  if (key.startsWith("errorstat_") && count !== undefined)
    families.counter("errors_total", count, { err: key.slice("errorstat_".length) });
}

/** `db0:keys=1,expires=0,avg_ttl=0`, of KeyDB with `cached_keys`. */
function addDatabase(families: RedisFamilies, db: string, value: string): boolean {
  const parts = partsOf(value);
  const keys = numberIn(parts, "keys");
  const expires = numberIn(parts, "expires");
  if (!db.startsWith("db") || keys === undefined || expires === undefined) return false;
  families.gauge("db_keys", keys, { db });
  families.gauge("db_keys_expiring", expires, { db });
  const ttl = numberIn(parts, "avg_ttl");
  const cached = numberIn(parts, "cached_keys");
  if (cached !== undefined) families.gauge("db_keys_cached", cached, { db });
  if (ttl !== undefined) families.gauge("db_avg_ttl_seconds", ttl / 1000, { db });
  return true;
}

function addServer(families: RedisFamilies, key: string, text: string, nowMs: number): void {
  const value = numberOf(text);
  if (value === undefined) return;
  if (key === "uptime_in_seconds")
    families.gauge("start_time_seconds", Math.floor(nowMs / 1000) - value);
  if (key === "configured_hz" || key === "hz") families.gauge(key, value);
}

type MasterLabels = { readonly master_host: string; readonly master_port: string };

/** Whether it is told with labels, and not as a field. Masters may be numbered, as in KeyDB. */
function addReplication(
  families: RedisFamilies,
  key: string,
  text: string,
  master: MasterLabels,
): boolean {
  if (/^master(?:_\d+)?_link_status$/.test(key)) {
    families.gauge("master_link_up", text === "up" ? 1 : 0, master);
    return true;
  }
  const direct =
    /^master(?:_\d+)?_(last_io_seconds_ago|sync_in_progress)$/.exec(key)?.[1] ??
    (key === "slave_repl_offset" ? key : undefined);
  if (direct !== undefined) {
    const name = direct === "slave_repl_offset" ? direct : `master_${direct}`;
    families.gauge(name, numberOf(text) ?? 0, master);
    return true;
  }
  return /^slave\d+$/.test(key) && addReplica(families, text);
}

/** `ip=10.254.11.1,port=6379,state=online,offset=1751844676,lag=0`; old versions have no lag. */
function addReplica(families: RedisFamilies, text: string): boolean {
  const parts = partsOf(text);
  const offset = numberIn(parts, "offset");
  if (offset === undefined) return false;
  const labels = {
    slave_ip: parts.get("ip") ?? "",
    slave_port: parts.get("port") ?? "",
    slave_state: parts.get("state") ?? "",
  };
  families.gauge("connected_slave_offset_bytes", offset, labels);
  const lag = numberIn(parts, "lag");
  if (lag !== undefined && lag > -1) families.gauge("connected_slave_lag_seconds", lag, labels);
  return true;
}

const INSTANCE_LABELS = [
  "role",
  "redis_version",
  "redis_build_id",
  "redis_mode",
  "os",
  "maxmemory_policy",
  "tcp_port",
  "run_id",
  "process_id",
  "master_replid",
];
const VALKEY_LABELS = ["valkey_version", "valkey_release_stage"];

function addInstance(families: RedisFamilies, fields: ReadonlyMap<string, string>): void {
  const names = [...INSTANCE_LABELS, ...VALKEY_LABELS.filter((name) => fields.has(name))];
  const labels = Object.fromEntries(names.map((name) => [name, fields.get(name) ?? ""]));
  families.gauge("instance_info", 1, labels);
  if (fields.get("role") !== "slave") return;
  families.gauge("slave_info", 1, {
    master_host: fields.get("master_host") ?? "",
    master_port: fields.get("master_port") ?? "",
    read_only: fields.get("slave_read_only") ?? "",
  });
}
