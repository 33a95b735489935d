import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { silentLogger } from "@finch/runtime";
import { Backups } from "../src/backups.ts";
import { runUpkeep, takeOverIdentity } from "../src/control-upkeep.ts";
import { openDatabase } from "../src/database.ts";
import type { Migration } from "../src/database.ts";
import { BACKUPS_MAX } from "../src/limits.ts";
import { MIGRATIONS } from "../src/migrations.ts";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";

const DAY_MS = 24 * 3_600_000;

describe("what the control plane does by itself", () => {
  test("a finch.json by another program is taken over, a new secret stands in the audit trail", async () => {
    await using directory = await controlDirectory();
    using control = await directory.open();
    const { identity, audit } = control;
    const logged: string[] = [];
    const log = { ...silentLogger, error: (msg: string) => void logged.push(msg) };
    const look = () => takeOverIdentity({ identity, audit, log });
    const path = join(directory.path, "finch.json");
    const write = async (change: object) => {
      const file = JSON.parse(await readFile(path, "utf8")) as object;
      await writeFile(path, JSON.stringify({ ...file, ...change }));
    };
    await look();
    await identity.rotateSecret(0);
    await look();
    assert.deepEqual(audit.list({ limit: 5 }), [], "what it wrote itself is nothing new");
    await write({ hostname: "renamed" });
    await look();
    assert.equal(identity.current.hostname, "renamed");
    assert.deepEqual(audit.list({ limit: 5 }), []);
    const { secret } = identity.current;
    const valid_until = new Date(START_MS + 1000).toISOString();
    await write({ secret: "y".repeat(44), former_secrets: [{ secret, valid_until }] });
    await look();
    assert.equal(identity.current.secret, "y".repeat(44));
    const [event] = audit.list({ limit: 5 });
    assert.deepEqual(
      [event!.action, event!.actor, event!.details],
      ["secret.change", "system", { overlaps: true }],
    );
    await writeFile(path, "{");
    await look();
    await look();
    assert.deepEqual(logged, ["the service goes on with the identity it had"], "told once");
    assert.equal(identity.current.secret, "y".repeat(44));
  });

  test("the database is copied once a day, and the oldest copies go", async () => {
    const clock = manualClock(START_MS);
    await using directory = await controlDirectory(clock);
    using control = await directory.open();
    const backups = new Backups({ directory: directory.path, clock, log: silentLogger });
    const folder = join(directory.path, "backups");
    const { database } = control;
    assert.equal(await backups.copyDaily(database), true);
    clock.advance(DAY_MS - 1);
    assert.equal(await backups.copyDaily(database), false);
    clock.advance(1);
    for (let day = 1; day <= BACKUPS_MAX; day++) {
      assert.equal(await backups.copyDaily(database), true);
      clock.advance(DAY_MS);
    }
    const names = (await readdir(folder)).toSorted();
    assert.equal(names.length, BACKUPS_MAX);
    assert.equal(names[0], "finch-20261102T000000Z.db");
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.equal((await stat(join(folder, names[0]!))).mode & 0o777, 0o600);
    const copy = new DatabaseSync(join(folder, names[0]!), { readOnly: true });
    assert.equal(
      copy.prepare("SELECT count(*) AS n FROM migrations").get()!["n"],
      MIGRATIONS.length,
    );
    copy.close();
  });

  test("a database is copied before it is migrated, as it was; a new one is not", async () => {
    await using directory = await controlDirectory();
    const clock = manualClock(START_MS);
    const backups = new Backups({ directory: directory.path, clock, log: silentLogger });
    const path = join(directory.path, "finch.db");
    const open = (migrations: readonly Migration[]) =>
      openDatabase({
        path,
        migrations,
        beforeMigration: (before) => backups.copyBeforeMigration(before),
        clock,
        log: silentLogger,
      });
    const first = { name: "boxes/0001", sql: "CREATE TABLE boxes (name TEXT) STRICT;" };
    const second = { name: "boxes/0002", sql: "ALTER TABLE boxes ADD COLUMN colour TEXT;" };
    for (const migrations of [[first], [first]]) open(migrations)[Symbol.dispose]();
    assert.deepEqual(await readdir(directory.path), ["finch.db"]);
    open([first, second])[Symbol.dispose]();
    const [name] = await readdir(join(directory.path, "backups"));
    const copyPath = join(directory.path, "backups", name!);
    assert.equal((await stat(copyPath)).mode & 0o777, 0o600);
    const copy = new DatabaseSync(copyPath, { readOnly: true });
    assert.equal(copy.prepare("SELECT count(*) AS n FROM migrations").get()!["n"], 1);
    assert.throws(() => copy.prepare("SELECT colour FROM boxes"), /no such column/);
    copy.close();
  });

  test("it ends when it is told to, and copies at its start", async () => {
    const clock = manualClock(START_MS);
    await using directory = await controlDirectory(clock);
    using control = await directory.open();
    const { identity, database, audit } = control;
    const stop = new AbortController();
    const backups = new Backups({ directory: directory.path, clock, log: silentLogger });
    const sleep = () => {
      stop.abort();
      return Promise.reject(new Error("stopped"));
    };
    await runUpkeep(
      { identity, database, audit, backups, clock: { ...clock, sleep }, log: silentLogger },
      stop.signal,
    );
    assert.deepEqual(await readdir(join(directory.path, "backups")), ["finch-20261101T000000Z.db"]);
  });
});
