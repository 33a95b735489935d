import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { controlDirectory } from "./control-directory.ts";

/** As gorm makes the table of the original's model. */
const ORIGINAL_TABLE = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE \`agents\` (\`id\` integer PRIMARY KEY AUTOINCREMENT, \`created_at\` datetime, \`updated_at\` datetime,
    \`active\` numeric NOT NULL DEFAULT true, \`hostname\` text NOT NULL, \`last_seen\` datetime DEFAULT NULL,
    \`log_sources\` text NOT NULL DEFAULT '[]', \`metrics\` numeric NOT NULL DEFAULT false,
    \`metrics_targets\` text NOT NULL DEFAULT '[]', \`profiles\` numeric NOT NULL DEFAULT false,
    \`registered_at\` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, \`resource_id\` text NOT NULL, \`labels\` text,
    \`node\` text NOT NULL DEFAULT 'unix', CONSTRAINT \`uni_agents_hostname\` UNIQUE (\`hostname\`));
  CREATE UNIQUE INDEX \`uidx_agents_resource_id\` ON \`agents\`(\`resource_id\`);
  INSERT INTO agents VALUES (1, '2026-08-01 10:00:00.123456789+02:00', '2026-08-02 10:00:00+00:00', 1, 'web-1', NULL,
    '["journal:","file:///var/log/*.log"]', 1, '["http://localhost:9100/metrics"]', 0, '2026-08-01 08:00:01',
    'rid:finch:8d134b24c2541730:agent:1', '["env=prod"]', 'unix');
  INSERT INTO agents VALUES (2, '2026-08-01', '2026-08-02', 1, 'win-1', NULL, '["event://System"]', 0, 'null', 1,
    '2026-08-01 08:00:01', 'rid:finch:8d134b24c2541730:agent:2', NULL, 'windows');
`;

describe("a database of the original Finch", () => {
  test("becomes ours, its agents with it", async () => {
    await using directory = await controlDirectory();
    const original = new DatabaseSync(join(directory.path, "finch.db"));
    original.exec(ORIGINAL_TABLE);
    original.close();
    const expected = [
      {
        resource_id: "rid:finch:8d134b24c2541730:agent:1",
        hostname: "web-1",
        node: "unix",
        labels: '["env=prod"]',
        log_sources: '["journal:","file:///var/log/*.log"]',
        metrics: 1,
        metrics_targets: '["http://localhost:9100/metrics"]',
        profiles: 0,
        registered_at_ms: Date.parse("2026-08-01T08:00:01Z"),
        updated_at_ms: Date.parse("2026-08-02T10:00:00Z"),
      },
      {
        resource_id: "rid:finch:8d134b24c2541730:agent:2",
        hostname: "win-1",
        node: "windows",
        labels: "[]",
        log_sources: '["event://System"]',
        metrics: 0,
        metrics_targets: "[]",
        profiles: 1,
        registered_at_ms: Date.parse("2026-08-01T08:00:01Z"),
        updated_at_ms: Date.parse("2026-08-02T00:00:00Z"),
      },
    ];
    for (const round of ["taken over", "opened again"]) {
      using control = await directory.open();
      const rows = control.database.prepare("SELECT * FROM agents ORDER BY resource_id").all();
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        expected,
        round,
      );
      const left = control.database.prepare(
        "SELECT name FROM sqlite_schema WHERE name LIKE '%original%'",
      );
      assert.deepEqual(left.all(), []);
    }
  });

  test("one of another program is refused, and left as it is", async () => {
    await using directory = await controlDirectory();
    const path = join(directory.path, "finch.db");
    const other = new DatabaseSync(path);
    other.exec("CREATE TABLE songs (title TEXT)");
    other.close();
    await assert.rejects(directory.open(), { code: "control/foreign-database" });
    assert.deepEqual(
      (await readdir(directory.path)).filter((name) => name === "backups"),
      [],
    );
    const again = new DatabaseSync(path);
    const tables = again.prepare("SELECT name FROM sqlite_schema").all();
    assert.deepEqual(
      tables.map(({ name }) => name),
      ["songs"],
    );
    again.close();
  });
});
