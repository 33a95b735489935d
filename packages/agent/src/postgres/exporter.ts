/** One scrape after the other of the servers of a configuration. Connections to those it names are kept, those to discovered databases are not. */
import { describeError, type Clock, type Logger } from "@finch/runtime";
import { COLLECTORS } from "./collectors.ts";
import type { Collector } from "./collector.ts";
import { PostgresConnection, type QueryResult } from "./connection.ts";
import type { DataSource } from "./dsn.ts";
import { FamilySet } from "../unix/family-set.ts";
import { addRows, type Namespace } from "./namespace.ts";
import { SERVER_TABLES } from "./server-tables.ts";
import { addSettings, SETTINGS_SQL } from "./settings.ts";
import { statStatementsCollector, type StatStatementsOptions } from "./stat-statements.ts";
import type { UserQuery } from "./user-queries.ts";
import { formatVersion, parseServerVersion, type Version } from "./version.ts";

export interface PostgresExporterOptions {
  readonly sources: readonly DataSource[];
  /** Names of collectors; they run on the first source. */
  readonly collectors: readonly string[];
  readonly statStatements: StatStatementsOptions;
  readonly settings: boolean;
  /** Whether the collectors and the tables of servers are asked. */
  readonly defaultMetrics: boolean;
  readonly discovery:
    | { readonly allow: readonly string[]; readonly deny: readonly string[] }
    | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What a scrape found besides metrics. */
interface Outcome {
  readonly families: FamilySet;
  isUp: boolean;
  hasFailed: boolean;
}

interface Session {
  readonly connection: PostgresConnection;
  readonly version: Version;
  readonly versionText: string;
}

const OLDEST_VERSION = 10;
const DATABASES_SQL =
  "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> current_database()";

export class PostgresExporter implements AsyncDisposable {
  readonly #options: PostgresExporterOptions;
  readonly #collectors: readonly Collector[];
  readonly #sessions = new Map<DataSource, Session>();
  readonly #cache = new Map<string, { readonly result: QueryResult; readonly untilMs: number }>();
  #scrapes = 0;
  /** Scrapes come one after the other: a connection answers one query at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: PostgresExporterOptions) {
    this.#options = options;
    this.#collectors = options.collectors.map((name) =>
      name === "stat_statements"
        ? statStatementsCollector(options.statStatements)
        : COLLECTORS.get(name)!,
    );
  }

  /** The names of all collectors there are. */
  static readonly collectorNames: readonly string[] = [...COLLECTORS.keys(), "stat_statements"];
  static readonly defaultCollectors: readonly string[] = [...COLLECTORS.values()]
    .filter(({ isDefault }) => isDefault)
    .map(({ name }) => name);

  /** Never rejects for what a server does: `pg_up` and `pg_exporter_last_scrape_error` tell. */
  scrape(queries: readonly UserQuery[], signal: AbortSignal): Promise<FamilySet> {
    const scrape = this.#turn.then(() => this.#scrape(queries, signal));
    this.#turn = scrape.catch(() => {});
    return scrape;
  }

  async #scrape(queries: readonly UserQuery[], signal: AbortSignal): Promise<FamilySet> {
    const { clock, sources } = this.#options;
    const startMs = clock.monotonicMs();
    const outcome: Outcome = { families: new FamilySet(), isUp: true, hasFailed: false };
    for (const [key, { untilMs }] of this.#cache) if (untilMs <= startMs) this.#cache.delete(key);
    for (const [index, source] of sources.entries()) {
      try {
        const session = await this.#session(source, signal);
        await this.#askServer(outcome, { source, session, queries, isMaster: true }, signal);
        if (index === 0 && this.#options.defaultMetrics)
          await this.#runCollectors(outcome, session, signal);
        await this.#askDiscovered(outcome, { source, session, queries }, signal);
      } catch (error) {
        signal.throwIfAborted();
        outcome.isUp = false;
        this.#failed(outcome, source, error);
      }
    }
    this.#report(outcome, (clock.monotonicMs() - startMs) / 1000);
    return outcome.families;
  }

  #failed(outcome: Outcome, source: DataSource, error: unknown): void {
    outcome.hasFailed = true;
    this.#options.log.error("PostgreSQL cannot be asked", {
      server: serverOf(source),
      database: source.database,
      error: describeError(error),
    });
  }

  #report({ families, isUp, hasFailed }: Outcome, seconds: number): void {
    families
      .take(
        "gauge",
        "pg_up",
        "Whether the last scrape of metrics from PostgreSQL was able to connect to the server (1 for yes, 0 for no).",
      )
      .add(isUp ? 1 : 0);
    families
      .take(
        "gauge",
        "pg_exporter_last_scrape_duration_seconds",
        "Duration of the last scrape of metrics from PostgreSQL.",
      )
      .add(seconds);
    families
      .take(
        "gauge",
        "pg_exporter_last_scrape_error",
        "Whether the last scrape of metrics from PostgreSQL resulted in an error (1 for error, 0 for success).",
      )
      .add(hasFailed ? 1 : 0);
    families
      .take(
        "counter",
        "pg_exporter_scrapes_total",
        "Total number of times PostgreSQL was scraped for metrics.",
      )
      .add(++this.#scrapes);
  }

  async #session(source: DataSource, signal: AbortSignal): Promise<Session> {
    const kept = this.#sessions.get(source);
    if (kept?.connection.isOpen === true) return kept;
    const session = await openSession(source, signal);
    this.#sessions.set(source, session);
    return session;
  }

  async #askServer(
    outcome: Outcome,
    about: {
      readonly source: DataSource;
      readonly session: Session;
      readonly queries: readonly UserQuery[];
      readonly isMaster: boolean;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { source, session, queries, isMaster } = about;
    const { families } = outcome;
    const server = serverOf(source);
    const version = formatVersion(session.version);
    families
      .take("untyped", "pg_static", "Version string as reported by postgres")
      .add(1, "server", server, "short_version", version, "version", session.versionText);
    if (isMaster && this.#options.settings) {
      const settings = await session.connection.query(SETTINGS_SQL, signal);
      for (const fault of addSettings(families, settings, server)) this.#note(source, fault);
    }
    const ask = async (namespace: Namespace, sql: string, cacheMs: number) => {
      try {
        const result = await this.#cached(source, { session, sql, cacheMs }, signal);
        const extraLabels = { server };
        for (const fault of addRows(families, namespace, { result, extraLabels }))
          this.#note(source, `${namespace.prefix}: ${fault}`);
      } catch (error) {
        signal.throwIfAborted();
        if (!session.connection.isOpen) throw error;
        this.#failed(outcome, source, error);
      }
    };
    if (isMaster && this.#options.defaultMetrics)
      for (const { namespace, sql } of SERVER_TABLES) await ask(namespace, sql(session.version), 0);
    for (const { namespace, sql, master, cacheMs, runsOn } of queries)
      if ((isMaster || !master) && runsOn(session.version)) await ask(namespace, sql, cacheMs);
  }

  #note(source: DataSource, fault: string): void {
    this.#options.log.debug("left out", { server: serverOf(source), fault });
  }

  async #cached(
    source: DataSource,
    query: { readonly session: Session; readonly sql: string; readonly cacheMs: number },
    signal: AbortSignal,
  ): Promise<QueryResult> {
    const { session, sql, cacheMs } = query;
    if (cacheMs === 0) return await session.connection.query(sql, signal);
    const key = `${serverOf(source)} ${source.database} ${sql}`;
    const nowMs = this.#options.clock.monotonicMs();
    const kept = this.#cache.get(key);
    if (kept !== undefined && kept.untilMs > nowMs) return kept.result;
    const result = await session.connection.query(sql, signal);
    this.#cache.set(key, { result, untilMs: nowMs + cacheMs });
    return result;
  }

  async #runCollectors(outcome: Outcome, session: Session, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const { families } = outcome;
    for (const collector of this.#collectors) {
      const startMs = clock.monotonicMs();
      let success = 1;
      try {
        for (const { namespace, sql } of collector.queries) {
          const text = sql(session.version);
          if (text === undefined) continue;
          const result = await session.connection.query(text, signal);
          addRows(families, namespace, { result, extraLabels: {} });
        }
      } catch (error) {
        signal.throwIfAborted();
        if (!session.connection.isOpen) throw error;
        success = 0;
        log.error("collector failed", { collector: collector.name, error: describeError(error) });
      }
      families
        .take(
          "gauge",
          "pg_scrape_collector_duration_seconds",
          "postgres_exporter: Duration of a collector scrape.",
        )
        .add((clock.monotonicMs() - startMs) / 1000, "collector", collector.name);
      families
        .take(
          "gauge",
          "pg_scrape_collector_success",
          "postgres_exporter: Whether a collector succeeded.",
        )
        .add(success, "collector", collector.name);
    }
  }

  /** Queries of users go to the other databases of the server too. */
  async #askDiscovered(
    outcome: Outcome,
    about: {
      readonly source: DataSource;
      readonly session: Session;
      readonly queries: readonly UserQuery[];
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { discovery } = this.#options;
    if (discovery === undefined) return;
    const { rows } = await about.session.connection.query(DATABASES_SQL, signal);
    for (const [database] of rows) {
      if (database === null || database === undefined || discovery.deny.includes(database))
        continue;
      if (discovery.allow.length > 0 && !discovery.allow.includes(database)) continue;
      const source = { ...about.source, database };
      try {
        const session = await openSession(source, signal);
        using _connection = session.connection;
        const { queries } = about;
        await this.#askServer(outcome, { source, session, queries, isMaster: false }, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#failed(outcome, source, error);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn;
    for (const { connection } of this.#sessions.values()) connection[Symbol.dispose]();
    this.#sessions.clear();
  }
}

async function openSession(source: DataSource, signal: AbortSignal): Promise<Session> {
  const connection = await PostgresConnection.open(source, signal);
  try {
    const { rows } = await connection.query("SELECT version()", signal);
    const versionText = rows[0]?.[0] ?? "";
    const version = parseServerVersion(versionText);
    if (version === undefined) throw new Error(`no version in ${JSON.stringify(versionText)}`);
    if (version[0] < OLDEST_VERSION)
      throw new Error(`PostgreSQL ${formatVersion(version)} is older than ${OLDEST_VERSION}`);
    return { connection, version, versionText };
  } catch (error) {
    connection[Symbol.dispose]();
    throw error;
  }
}

/** The value of the `server` label. */
export function serverOf({ host, port }: DataSource): string {
  return `${host}:${port}`;
}
