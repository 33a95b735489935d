/** Keys and streams that the component is told to look at. */
import { FinchError } from "@finch/runtime";
import { RedisRefusal, type RedisConnection, type RedisReply } from "./client.ts";
import type { RedisFamilies } from "./families.ts";
import { isList, pairsOf, textOf } from "./server-state.ts";

export interface RedisKey {
  readonly db: number;
  readonly key: string;
}

/** Keys that a pattern may stand for; a pattern of everything must not fill the memory. */
const MATCHES_MAX = 100_000;

/** Reads `db3=name` or `name`, of database 0; names are percent-encoded. Throws `agent/redis-key`. */
export function parseRedisKey(text: string): RedisKey {
  const parts = text.split("=");
  const [db = "", key] = parts.length === 1 ? ["0", parts[0]] : parts;
  const number = db.trim().replace(/^db/, "");
  if (parts.length > 2 || !/^\d+$/.test(number) || (key ?? "").trim() === "")
    throw badKey(text, "write db3=NAME, or NAME of database 0");
  try {
    const name = decodeURIComponent(key!.trim().replaceAll("+", " "));
    return { db: Number(number), key: name };
  } catch (cause) {
    throw badKey(text, "its percent-encoding is broken", cause);
  }
}

/** Selects databases only when another is asked. */
export class KeySpace {
  readonly #redis: RedisConnection;
  readonly #batch: number;
  #selected: number | undefined;

  constructor(redis: RedisConnection, batch: number) {
    this.#redis = redis;
    this.#batch = batch;
  }

  async ask(db: number, ...command: readonly string[]): Promise<RedisReply> {
    if (this.#selected !== db) {
      const reply = await this.#redis.ask("SELECT", String(db));
      if (reply instanceof RedisRefusal) return reply;
      this.#selected = db;
    }
    return this.#redis.ask(...command);
  }

  /** Keys that match a pattern, each once. */
  async scan({ db, key }: RedisKey): Promise<readonly string[]> {
    const found = new Set<string>();
    let cursor = "0";
    do {
      const reply = await this.ask(db, "SCAN", cursor, "MATCH", key, "COUNT", String(this.#batch));
      const [next, names] = isList(reply) ? reply : [];
      if (typeof next !== "string" || !isList(names)) return [...found];
      for (const name of names) if (typeof name === "string") found.add(name);
      if (found.size > MATCHES_MAX)
        throw new FinchError(
          "limited",
          "agent/redis-keys",
          `more than ${MATCHES_MAX} keys match ${JSON.stringify(key)}; write a narrower pattern`,
        );
      cursor = next;
    } while (cursor !== "0");
    return [...found];
  }

  /** The keys that patterns stand for; what is no pattern stands for itself. */
  async expand(keys: readonly RedisKey[]): Promise<readonly RedisKey[]> {
    const expanded: RedisKey[] = [];
    for (const one of keys) {
      if (/[?*[\]^]/.test(one.key))
        for (const key of await this.scan(one)) expanded.push({ db: one.db, key });
      else expanded.push(one);
    }
    return expanded;
  }
}

/** What tells how much is in a key, by its type. */
const SIZE_COMMANDS: Readonly<Record<string, string>> = {
  list: "LLEN",
  set: "SCARD",
  zset: "ZCARD",
  hash: "HLEN",
  stream: "XLEN",
};

export async function addKey(
  families: RedisFamilies,
  space: KeySpace,
  { db, key }: RedisKey,
  { withValue }: { readonly withValue: boolean },
): Promise<void> {
  const labels = { db: `db${db}`, key };
  const [type, memory] = await Promise.all([
    space.ask(db, "TYPE", key),
    space.ask(db, "MEMORY", "USAGE", key),
  ]);
  if (typeof memory === "number") families.gauge("key_memory_usage_bytes", memory, labels);
  if (typeof type !== "string") return;
  if (type === "none") return families.gauge("key_size", 0, labels);
  if (type === "string") return await addText(families, space, { db, key }, { withValue });
  const command = SIZE_COMMANDS[type];
  const size = command === undefined ? undefined : await space.ask(db, command, key);
  if (typeof size === "number") families.gauge("key_size", size, labels);
}

async function addText(
  families: RedisFamilies,
  space: KeySpace,
  { db, key }: RedisKey,
  { withValue }: { readonly withValue: boolean },
): Promise<void> {
  const labels = { db: `db${db}`, key };
  const [distinct, length, value] = await Promise.all([
    space.ask(db, "PFCOUNT", key),
    space.ask(db, "STRLEN", key),
    space.ask(db, "GET", key),
  ]);
  // Redis keeps HyperLogLogs as strings, whose length means nothing.
  const isLog = typeof distinct === "number";
  const size = isLog ? distinct : length;
  if (typeof size !== "number") return;
  families.gauge("key_size", size, labels);
  if (isLog || !withValue || typeof value !== "string" || value === "") return;
  const number = Number(value);
  if (Number.isNaN(number) || value.trim() !== value)
    families.gauge("key_value_as_string", 1, { ...labels, val: value });
  else families.gauge("key_value", number, labels);
}

export async function addStream(
  families: RedisFamilies,
  space: KeySpace,
  { db, key }: RedisKey,
): Promise<void> {
  const [info, groups] = await Promise.all([
    space.ask(db, "XINFO", "STREAM", key),
    space.ask(db, "XINFO", "GROUPS", key),
  ]);
  if (!isList(info)) return;
  const fields = pairsOf(info);
  const labels = { db: `db${db}`, stream: key };
  const gauge = (name: string, value: number) => families.gauge(`stream_${name}`, value, labels);
  gauge("length", countIn(fields, "length"));
  gauge("radix_tree_keys", countIn(fields, "radix-tree-keys"));
  gauge("radix_tree_nodes", countIn(fields, "radix-tree-nodes"));
  gauge("groups", countIn(fields, "groups"));
  gauge("last_generated_id", timeOf(fields.get("last-generated-id")));
  gauge("max_deleted_entry_id", timeOf(fields.get("max-deleted-entry-id")));
  gauge("first_entry_id", timeOf(firstOf(fields.get("first-entry"))));
  gauge("last_entry_id", timeOf(firstOf(fields.get("last-entry"))));
  families.counter("stream_entries_added_total", countIn(fields, "entries-added"), labels);
  for (const group of isList(groups) ? groups : [])
    await addGroup(families, space, { db, key, fields: pairsOf(group) });
}

async function addGroup(
  families: RedisFamilies,
  space: KeySpace,
  { db, key, fields }: RedisKey & { readonly fields: ReadonlyMap<string, RedisReply> },
): Promise<void> {
  const group = textOf(fields.get("name"));
  const labels = { db: `db${db}`, stream: key, group };
  const gauge = (name: string, value: number) =>
    families.gauge(`stream_group_${name}`, value, labels);
  gauge("consumers", countIn(fields, "consumers"));
  gauge("messages_pending", countIn(fields, "pending"));
  gauge("last_delivered_id", timeOf(fields.get("last-delivered-id")));
  gauge("entries_read", countIn(fields, "entries-read"));
  gauge("lag", countIn(fields, "lag"));
  const consumers = await space.ask(db, "XINFO", "CONSUMERS", key, group);
  for (const one of isList(consumers) ? consumers : []) {
    const of = pairsOf(one);
    const own = { ...labels, consumer: textOf(of.get("name")) };
    families.gauge("stream_group_consumer_messages_pending", countIn(of, "pending"), own);
    families.gauge("stream_group_consumer_idle_seconds", countIn(of, "idle") / 1000, own);
  }
}

function countIn(fields: ReadonlyMap<string, RedisReply>, name: string): number {
  const value = fields.get(name);
  return typeof value === "number" ? value : 0;
}

function firstOf(entry: RedisReply | undefined): RedisReply | undefined {
  return isList(entry) ? entry[0] : undefined;
}

/** The milliseconds of an id such as `1638006862416-0`; 0 when there is none. */
function timeOf(id: RedisReply | undefined): number {
  return typeof id === "string" ? Number(/^\d+/.exec(id)?.[0] ?? 0) : 0;
}

function badKey(text: string, why: string, cause?: unknown): FinchError {
  return new FinchError(
    "invalid",
    "agent/redis-key",
    `${JSON.stringify(text)} names no key of Redis: ${why}`,
    { cause },
  );
}
