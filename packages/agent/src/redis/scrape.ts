/** One scrape of a Redis: a connection, what is asked over it, and the metrics of it. */
import type { Clock, Logger } from "@finch/runtime";
import { describeError, FinchError } from "@finch/runtime";
import type { RedisAddress } from "./address.ts";
import { RedisConnection, RedisRefusal } from "./client.ts";
import { RedisFamilies } from "./families.ts";
import { addClusterInfo, addInfo } from "./info.ts";
import { addKey, addStream, KeySpace, type RedisKey } from "./keys.ts";
import { addClients, addCommandLog, addConfig, addLatency, addSlowLog } from "./server-state.ts";

export interface RedisSettings {
  readonly address: RedisAddress;
  /** Empty: none. */
  readonly user: string;
  readonly password: string;
  readonly timeoutMs: number;
  readonly namespace: string;
  readonly configCommand: string;
  readonly setsClientName: boolean;
  readonly pings: boolean;
  readonly withSystemMetrics: boolean;
  readonly withClients: boolean;
  readonly withClientPorts: boolean;
  readonly withKeyValues: boolean;
  /** Patterns, and keys as they are. */
  readonly keys: readonly RedisKey[];
  readonly singleKeys: readonly RedisKey[];
  readonly streams: readonly RedisKey[];
  readonly singleStreams: readonly RedisKey[];
  readonly countedKeys: readonly RedisKey[];
  readonly scanBatch: number;
}

/** What is counted from scrape to scrape. */
export interface ScrapeCounts {
  scrapes: number;
  seconds: number;
}

export interface ScrapeContext {
  readonly clock: Clock;
  readonly log: Logger;
  /** As `tls.connect` takes them; read for each scrape, so that renewed certificates work. */
  readonly loadTls: () => Promise<Readonly<Record<string, unknown>>>;
  readonly counts: ScrapeCounts;
}

/** The text of a scrape; a server that cannot be asked is told by `up`. Rejects only when `signal` aborts. */
export async function scrapeRedis(
  settings: RedisSettings,
  context: ScrapeContext,
  signal: AbortSignal,
): Promise<string> {
  const { clock, log, counts } = context;
  const families = new RedisFamilies(settings.namespace);
  const startMs = clock.monotonicMs();
  let error = "";
  try {
    await askAll(families, settings, context, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    error = describeError(thrown);
    log.error("Redis cannot be asked", { host: settings.address.host, error });
  }
  const seconds = (clock.monotonicMs() - startMs) / 1000;
  counts.scrapes++;
  counts.seconds += seconds;
  families.gauge("up", error === "" ? 1 : 0);
  families.gauge("exporter_last_scrape_error", error === "" ? 0 : 1, { err: error });
  families.gauge("exporter_last_scrape_duration_seconds", seconds);
  families.counter("exporter_scrapes_total", counts.scrapes);
  families.summary("exporter_scrape_duration_seconds", {
    quantiles: new Map(),
    sum: counts.seconds,
    count: counts.scrapes,
  });
  // Groups of keys are not built, and nobody sends requests to the exporter: both say so, as they do there.
  families.gauge("last_key_groups_scrape_duration_milliseconds", 0);
  families.counter("target_scrape_request_errors_total", 0);
  return families.text();
}

async function askAll(
  families: RedisFamilies,
  settings: RedisSettings,
  context: ScrapeContext,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = context;
  const startMs = clock.monotonicMs();
  using redis = await openConnection(settings, context, signal);
  const connectSeconds = (clock.monotonicMs() - startMs) / 1000;
  families.gauge("exporter_last_scrape_connect_time_seconds", connectSeconds);
  if (settings.pings) {
    const pingMs = clock.monotonicMs();
    await redis.ask("PING");
    families.gauge("exporter_last_scrape_ping_time_seconds", (clock.monotonicMs() - pingMs) / 1000);
  }
  if (settings.setsClientName) await redis.ask("CLIENT", "SETNAME", "redis_exporter");
  const all = await redis.ask("INFO", "ALL");
  const text = must(typeof all === "string" && all !== "" ? all : await redis.ask("INFO"));
  await addConfig(families, redis, settings.configCommand);
  if (text.includes("cluster_enabled:1")) {
    const cluster = await redis.ask("CLUSTER", "INFO");
    if (typeof cluster === "string") addClusterInfo(families, cluster);
  }
  const nowMs = clock.nowMs();
  const { withSystemMetrics, withClientPorts: withPort } = settings;
  const facts = addInfo(families, text, { nowMs, withSystemMetrics });
  await addLatency(families, redis, facts);
  await addKeys(families, settings, redis);
  await addSlowLog(families, redis);
  await addCommandLog(families, redis, settings.configCommand);
  if (settings.withClients) await addClients(families, redis, { withPort, nowMs });
}

async function addKeys(
  families: RedisFamilies,
  settings: RedisSettings,
  redis: RedisConnection,
): Promise<void> {
  const space = new KeySpace(redis, settings.scanBatch);
  const { withKeyValues: withValue } = settings;
  for (const key of [...settings.singleKeys, ...(await space.expand(settings.keys))])
    await addKey(families, space, key, { withValue });
  for (const { db, key } of settings.countedKeys) {
    const { length } = await space.scan({ db, key });
    families.gauge("keys_count", length, { db: `db${db}`, key });
  }
  for (const stream of [...settings.singleStreams, ...(await space.expand(settings.streams))])
    await addStream(families, space, stream);
}

async function openConnection(
  settings: RedisSettings,
  { loadTls }: ScrapeContext,
  signal: AbortSignal,
): Promise<RedisConnection> {
  const { address, timeoutMs, user, password } = settings;
  const tls = address.hasTls ? await loadTls() : {};
  const redis = await RedisConnection.open({ address, timeoutMs, tls }, signal);
  try {
    if (password !== "") must(await redis.ask("AUTH", ...(user === "" ? [] : [user]), password));
    if (address.database !== 0) must(await redis.ask("SELECT", String(address.database)));
    return redis;
  } catch (error) {
    redis[Symbol.dispose]();
    throw error;
  }
}

/** The text of a reply without which nothing goes on. */
function must(reply: Awaited<ReturnType<RedisConnection["ask"]>>): string {
  if (typeof reply === "string") return reply;
  const why = reply instanceof RedisRefusal ? reply.message : "it answers with no text";
  throw new FinchError("unavailable", "agent/redis", why);
}
