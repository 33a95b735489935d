/**
 * Takes over the `finch.db` of the original Finch where one stands in the data directory: its agents, with their resource ids, become ours within the transaction that
 * makes our tables. Facts of its table are from its model (`internal/model/agent.go`, MIT).
 */
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { FinchError } from "@finch/runtime";

/** A database of somebody else is a fault. */
export function checkOriginal(database: DatabaseSync): void {
  const columns = columnsOf(database, "agents");
  if (!columns.has("resource_id") || !columns.has("hostname")) {
    throw new FinchError(
      "conflict",
      "control/foreign-database",
      "finch.db in the data directory is a database of another program; move it away, or choose another directory with --data-dir",
    );
  }
}

/** Puts the original's table aside, so that ours can be made. */
export function adoptOriginal(database: DatabaseSync): void {
  database.exec(`
    DROP INDEX IF EXISTS uidx_agents_resource_id;
    ALTER TABLE agents RENAME TO original_agents;
  `);
}

/** Copies its agents into our table, and drops its. */
export function copyOriginalAgents(database: DatabaseSync): void {
  const insert = database.prepare(`
    INSERT INTO agents (resource_id, hostname, node, labels, log_sources, metrics, metrics_targets, profiles, registered_at_ms, updated_at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  `);
  for (const row of database.prepare("SELECT * FROM original_agents ORDER BY id").all()) {
    const registeredMs = timeOf(row["registered_at"]);
    insert.run(
      String(row["resource_id"]),
      String(row["hostname"]),
      row["node"] === "windows" ? "windows" : "unix",
      listOf(row["labels"] ?? row["tags"]),
      listOf(row["log_sources"]),
      row["metrics"] ? 1 : 0,
      listOf(row["metrics_targets"]),
      row["profiles"] ? 1 : 0,
      registeredMs,
      row["updated_at"] === undefined ? registeredMs : timeOf(row["updated_at"]),
    );
  }
  database.exec("DROP TABLE original_agents");
}

function columnsOf(database: DatabaseSync, table: string): ReadonlySet<string> {
  const rows = database.prepare("SELECT name FROM pragma_table_info(?)").all(table);
  return new Set(rows.map((row) => String(row["name"])));
}

/** A JSON array of strings, made tidy. */
function listOf(value: SQLOutputValue | undefined): string {
  try {
    const list: unknown = JSON.parse(String(value));
    return JSON.stringify(Array.isArray(list) ? list.filter((one) => typeof one === "string") : []);
  } catch {
    return "[]";
  }
}

/** `2026-08-01 10:00:00.123456789+02:00`, as its driver writes times. */
function timeOf(value: SQLOutputValue | undefined): number {
  const text = String(value)
    .replace(" ", "T")
    .replace(/(\.\d{3})\d+/, "$1");
  const ms = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
  return Number.isFinite(ms) ? ms : 0;
}
