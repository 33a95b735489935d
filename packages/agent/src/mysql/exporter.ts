/** Asks one MySQL server at each scrape: over one connection, collector by collector; one that fails is told and keeps no other from its metrics. */
import { describeError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import { FamilySet } from "../unix/family-set.ts";
import { MysqlConnection } from "./connection.ts";
import type { MysqlSource } from "./dsn.ts";
import type { MysqlCollector } from "./table.ts";

export interface MysqlExporterOptions {
  readonly source: MysqlSource;
  /** By name. */
  readonly collectors: ReadonlyMap<string, MysqlCollector>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The metrics as text. A server that cannot be asked makes `mysql_up` 0; rejects only when `signal` aborts. */
export async function scrapeMysql(
  options: MysqlExporterOptions,
  signal: AbortSignal,
): Promise<string> {
  const families = new FamilySet();
  const up = families.take("gauge", "mysql_up", "Whether the MySQL server is up.");
  try {
    await collectAll(options, families, signal);
    up.add(1);
  } catch (error) {
    signal.throwIfAborted();
    options.log.error("the MySQL server cannot be asked", {
      server: options.source.instance,
      error: describeError(error),
    });
    up.add(0);
  }
  return families.text();
}

async function collectAll(
  { source, collectors, clock, log }: MysqlExporterOptions,
  families: FamilySet,
  signal: AbortSignal,
): Promise<void> {
  const took = families.take(
    "gauge",
    "mysql_exporter_collector_duration_seconds",
    "Collector time duration.",
  );
  const success = families.take(
    "gauge",
    "mysql_exporter_collector_success",
    "mysqld_exporter: Whether a collector succeeded.",
  );
  const since = (startMs: number) => (clock.monotonicMs() - startMs) / 1000;
  const startMs = clock.monotonicMs();
  using connection = await MysqlConnection.open(source, signal);
  took.add(since(startMs), "collector", "connection");
  for (const [name, collector] of collectors) {
    const begunMs = clock.monotonicMs();
    let succeeded = true;
    try {
      await collector.collect((sql) => connection.query(sql, signal), families);
    } catch (error) {
      signal.throwIfAborted();
      succeeded = false;
      log.error("a collector failed", { collector: name, error: describeError(error) });
    }
    success.add(succeeded ? 1 : 0, "collector", `collect.${name}`);
    took.add(since(begunMs), "collector", `collect.${name}`);
  }
}
