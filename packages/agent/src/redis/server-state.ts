/** What Redis tells besides `INFO`: its configuration, slow commands, latencies, clients. A command that it refuses, as for want of rights, is left out. */
import type { RedisConnection, RedisReply } from "./client.ts";
import type { RedisFamilies } from "./families.ts";
import { numberOf, type InfoFacts } from "./info.ts";

const CONFIG_NUMBERS = ["io-threads", "maxclients", "maxmemory", "repl-backlog-size"];

/** `command` is what `CONFIG` is called there; `-` asks nothing. */
export async function addConfig(
  families: RedisFamilies,
  redis: RedisConnection,
  command: string,
): Promise<void> {
  if (command === "-") return;
  const config = textPairs(await redis.ask(command, "GET", "*"));
  for (const key of CONFIG_NUMBERS) {
    const value = numberOf(config.get(key) ?? "");
    if (value !== undefined) families.gauge(`config_${key.replaceAll("-", "_")}`, value);
  }
  // `normal 0 0 0 slave 268435456 67108864 60 …`
  const limits = (config.get("client-output-buffer-limit") ?? "").split(" ");
  for (let i = 0; i + 3 < limits.length; i += 4) {
    const [name = "", ...numbers] = limits.slice(i, i + 4);
    const [hard, soft, seconds] = numbers.map(numberOf);
    const add = (metric: string, value: number | undefined, limit: string) => {
      if (value !== undefined) families.gauge(metric, value, { class: name, limit });
    };
    add("config_client_output_buffer_limit_bytes", hard, "hard");
    add("config_client_output_buffer_limit_bytes", soft, "soft");
    add("config_client_output_buffer_limit_overcome_seconds", seconds, "soft");
  }
}

export async function addSlowLog(families: RedisFamilies, redis: RedisConnection): Promise<void> {
  const [length, entries] = await Promise.all([
    redis.ask("SLOWLOG", "LEN"),
    redis.ask("SLOWLOG", "GET", "1"),
  ]);
  if (typeof length === "number") families.gauge("slowlog_length", length);
  if (!isList(entries)) return;
  const [last] = entries;
  const [id, , usec] = isList(last) ? last : [];
  families.gauge("slowlog_last_id", typeof id === "number" ? id : 0);
  families.gauge("last_slow_execution_duration_seconds", typeof usec === "number" ? usec / 1e6 : 0);
}

export async function addLatency(
  families: RedisFamilies,
  redis: RedisConnection,
  { commands }: InfoFacts,
): Promise<void> {
  const [spikes, histograms] = await Promise.all([
    redis.ask("LATENCY", "LATEST"),
    redis.ask("LATENCY", "HISTOGRAM"),
  ]);
  for (const spike of isList(spikes) ? spikes : []) {
    const [event, at, ms] = isList(spike) ? spike : [];
    if (typeof event !== "string" || typeof at !== "number" || typeof ms !== "number") continue;
    families.gauge("latency_spike_last", at, { event_name: event });
    families.gauge("latency_spike_duration_seconds", ms / 1000, { event_name: event });
  }
  for (const [cmd, details] of pairsOf(histograms)) {
    const [, count, , buckets] = isList(details) ? details : [];
    if (typeof count !== "number" || !isList(buckets)) continue;
    const bounds = pairsOfNumbers(buckets);
    families.histogram(
      "commands_latencies_usec",
      { buckets: bounds, sum: usecOf(commands, cmd), count },
      { cmd },
    );
  }
}

/** Of the command and, as `config`, of all below it: `config|get`. */
function usecOf(commands: InfoFacts["commands"], cmd: string): number {
  let sum = 0;
  for (const [name, { usec }] of commands)
    if (name === cmd || name.startsWith(`${cmd}|`)) sum += usec;
  return sum;
}

const COMMAND_LOGS = {
  slow: "commandlog_slow_length",
  "large-request": "commandlog_large_request_length",
  "large-reply": "commandlog_large_reply_length",
};
const COMMAND_LOG_CONFIG = [
  "commandlog-execution-slower-than",
  "commandlog-slow-execution-max-len",
  "commandlog-request-larger-than",
  "commandlog-large-request-max-len",
  "commandlog-reply-larger-than",
  "commandlog-large-reply-max-len",
];

/** Valkey's log of slow and large commands; Redis has none. */
export async function addCommandLog(
  families: RedisFamilies,
  redis: RedisConnection,
  configCommand: string,
): Promise<void> {
  const known = await redis.ask("COMMAND", "INFO", "COMMANDLOG");
  if (!isList(known) || (known[0] ?? null) === null) return;
  for (const [kind, metric] of Object.entries(COMMAND_LOGS)) {
    const length = await redis.ask("COMMANDLOG", "LEN", kind);
    if (typeof length === "number") families.gauge(metric, length);
  }
  if (configCommand === "-") return;
  const config = textPairs(await redis.ask(configCommand, "GET", "commandlog-*"));
  for (const key of COMMAND_LOG_CONFIG) {
    const value = numberOf(config.get(key) ?? "");
    if (value !== undefined) families.gauge(key.replaceAll("-", "_"), value);
  }
}

/** Figures of clients by the field they have in `CLIENT LIST`. */
const CLIENT_FIGURES: Readonly<Record<string, string>> = {
  omem: "output_buffer_memory_usage_bytes",
  "tot-mem": "total_memory_consumed_bytes",
  sub: "channel_subscriptions_count",
  psub: "pattern_matching_subscriptions_count",
  qbuf: "query_buffer_length_bytes",
  "qbuf-free": "query_buffer_free_space_bytes",
  obl: "output_buffer_length_bytes",
  oll: "output_list_length",
};
/** Those that only newer versions have. */
const NEW_CLIENT_FIGURES: Readonly<Record<string, string>> = {
  ssub: "shard_channel_subscriptions_count",
  watch: "shard_channel_watched_keys",
};

export async function addClients(
  families: RedisFamilies,
  redis: RedisConnection,
  { withPort, nowMs }: { readonly withPort: boolean; readonly nowMs: number },
): Promise<void> {
  const list = await redis.ask("CLIENT", "LIST");
  if (typeof list !== "string") return;
  for (const line of list.split("\n")) {
    if (!/^id=\d+ addr=\S+/.test(line)) continue;
    const fields = new Map(
      line
        .trim()
        .split(" ")
        .map((part) => {
          const equals = part.indexOf("=");
          return [part.slice(0, equals), part.slice(equals + 1)] as const;
        }),
    );
    addClient(families, fields, { withPort, nowMs });
  }
}

function addClient(
  families: RedisFamilies,
  fields: ReadonlyMap<string, string>,
  { withPort, nowMs }: { readonly withPort: boolean; readonly nowMs: number },
): void {
  const text = (name: string) => fields.get(name) ?? "";
  const address = text("addr");
  const colon = address.lastIndexOf(":");
  const optional = ["user", "resp"].filter((name) => text(name) !== "");
  const own = { id: text("id"), name: text("name") };
  families.gauge("connected_client_info", 1, {
    ...own,
    flags: text("flags"),
    db: text("db"),
    host: address.slice(0, Math.max(0, colon)),
    ...(withPort && { port: address.slice(colon + 1) }),
    ...Object.fromEntries(optional.map((name) => [name, text(name)])),
  });
  const add = (metric: string, value: number) =>
    families.gauge(`connected_client_${metric}`, value, own);
  const now = Math.floor(nowMs / 1000);
  add("created_at_timestamp", now - (numberOf(text("age")) ?? 0));
  add("idle_since_timestamp", now - (numberOf(text("idle")) ?? 0));
  for (const [field, metric] of Object.entries(CLIENT_FIGURES))
    add(metric, numberOf(text(field)) ?? 0);
  for (const [field, metric] of Object.entries(NEW_CLIENT_FIGURES))
    if (fields.has(field)) add(metric, numberOf(text(field)) ?? 0);
}

export function isList(reply: RedisReply | undefined): reply is readonly RedisReply[] {
  return Array.isArray(reply);
}

/** A text; the empty one for anything else. */
export function textOf(reply: RedisReply | undefined): string {
  return typeof reply === "string" ? reply : "";
}

/** A list `name, value, name, value …` by name. */
export function pairsOf(reply: RedisReply): ReadonlyMap<string, RedisReply> {
  const pairs = new Map<string, RedisReply>();
  if (isList(reply))
    for (let i = 0; i + 1 < reply.length; i += 2) pairs.set(textOf(reply[i]), reply[i + 1]!);
  return pairs;
}

function textPairs(reply: RedisReply): ReadonlyMap<string, string> {
  return new Map(
    [...pairsOf(reply)].flatMap(([name, value]) =>
      typeof value === "string" ? [[name, value] as const] : [],
    ),
  );
}

function pairsOfNumbers(list: readonly RedisReply[]): (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = [];
  for (let i = 0; i + 1 < list.length; i += 2) pairs.push([Number(list[i]), Number(list[i + 1])]);
  return pairs;
}
