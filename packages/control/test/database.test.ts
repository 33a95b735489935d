import assert from "node:assert/strict";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { silentLogger } from "@finch/runtime";
import { openDatabase } from "../src/database.ts";
import type { Migration } from "../src/database.ts";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";

const BOX: Migration = {
  name: "boxes/0001-boxes",
  sql: "CREATE TABLE boxes (name TEXT PRIMARY KEY) STRICT; CREATE TABLE things (name TEXT, box TEXT REFERENCES boxes (name)) STRICT;",
};
const COLOUR: Migration = {
  name: "boxes/0002-colour",
  sql: "ALTER TABLE boxes ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';",
};

function open(path: string, migrations: readonly Migration[]) {
  return openDatabase({ path, migrations, clock: manualClock(START_MS), log: silentLogger });
}

describe("the database", () => {
  test("keeps what was committed, in write-ahead mode, for its owner alone", async () => {
    await using directory = await controlDirectory();
    const path = join(directory.path, "finch.db");
    {
      using database = open(path, [BOX]);
      assert.deepEqual(
        { ...database.prepare("PRAGMA journal_mode").get() },
        { journal_mode: "wal" },
      );
      database.prepare("INSERT INTO boxes VALUES ('a')").run();
      for (const file of [path, `${path}-wal`])
        assert.equal((await stat(file)).mode & 0o777, 0o600);
    }
    using database = open(path, [BOX]);
    assert.deepEqual(
      database
        .prepare("SELECT name FROM boxes")
        .all()
        .map((row) => row["name"]),
      ["a"],
    );
    assert.throws(
      () => database.prepare("INSERT INTO things VALUES ('x', 'no box')").run(),
      /FOREIGN KEY/,
    );
  });

  test("an older one is migrated, with what it holds", async () => {
    await using directory = await controlDirectory();
    const path = join(directory.path, "finch.db");
    {
      using database = open(path, [BOX]);
      database.prepare("INSERT INTO boxes VALUES ('a')").run();
    }
    const early: Migration = { name: "agents/0001", sql: "CREATE TABLE agents (a TEXT) STRICT;" };
    using database = open(path, [early, BOX, COLOUR]);
    assert.deepEqual(
      { ...database.prepare("SELECT * FROM boxes").get() },
      { name: "a", colour: "red" },
    );
    assert.equal(database.prepare("SELECT count(*) AS n FROM migrations").get()!["n"], 3);
  });

  test("a newer one is refused, and left as it is", async () => {
    await using directory = await controlDirectory();
    const path = join(directory.path, "finch.db");
    open(path, [BOX, COLOUR])[Symbol.dispose]();
    assert.throws(() => open(path, [BOX]), {
      code: "control/newer-database",
      message: /written by a newer Finch \(it has boxes\/0002-colour/,
    });
    open(path, [BOX, COLOUR])[Symbol.dispose]();
  });

  test("a migration that fails leaves nothing of itself", async () => {
    await using directory = await controlDirectory();
    const path = join(directory.path, "finch.db");
    open(path, [BOX])[Symbol.dispose]();
    const broken = { name: "boxes/0003", sql: "CREATE TABLE half (a TEXT); SELECT nothing;" };
    assert.throws(() => open(path, [BOX, COLOUR, broken]), { code: "control/bad-database" });
    using database = open(path, [BOX]);
    assert.throws(() => database.prepare("SELECT * FROM half"), /no such table/);
    assert.throws(() => database.prepare("SELECT colour FROM boxes"), /no such column/);
  });

  test("what is no database is told", async () => {
    await using directory = await controlDirectory();
    const path = join(directory.path, "finch.db");
    await writeFile(
      path,
      "these bytes are a note for somebody, long enough to be looked at ".repeat(20),
    );
    assert.throws(() => open(path, [BOX]), {
      code: "control/bad-database",
      message: /put a backup in its place/,
    });
  });

  test("a transaction is undone whole, one within another by itself", async () => {
    await using directory = await controlDirectory();
    using database = open(join(directory.path, "finch.db"), [BOX]);
    const insert = database.prepare("INSERT INTO boxes VALUES (?)");
    const names = () =>
      database
        .prepare("SELECT name FROM boxes")
        .all()
        .map((row) => row["name"]);
    assert.throws(
      () =>
        database.transaction(() => {
          insert.run("lost");
          throw new Error("no");
        }),
      /no/,
    );
    assert.deepEqual(names(), []);
    const result = database.transaction(() => {
      insert.run("outer");
      assert.throws(() =>
        database.transaction(() => {
          insert.run("inner");
          throw new Error("no");
        }),
      );
      return "done";
    });
    assert.equal(result, "done");
    assert.deepEqual(names(), ["outer"]);
  });

  test("a relaxed transaction is there when the database is opened again, and leaves the others as they were", async () => {
    await using directory = await controlDirectory();
    const path = join(directory.path, "finch.db");
    {
      using database = open(path, [BOX]);
      const insert = database.prepare("INSERT INTO boxes VALUES (?)");
      // The value is fixed when the statement is prepared.
      const mode = () => database.prepare("PRAGMA synchronous").get()!["synchronous"];
      const [NORMAL, FULL] = [1, 2];
      database.relaxedTransaction(() => {
        insert.run("kept");
        assert.equal(mode(), NORMAL);
      });
      assert.equal(mode(), FULL);
      assert.throws(() =>
        database.relaxedTransaction(() => {
          insert.run("lost");
          throw new Error("no");
        }),
      );
      assert.equal(mode(), FULL);
      assert.throws(
        () => database.transaction(() => database.relaxedTransaction(() => {})),
        /stands by itself/,
      );
    }
    using database = open(path, [BOX]);
    assert.deepEqual(
      database
        .prepare("SELECT name FROM boxes")
        .all()
        .map((row) => row["name"]),
      ["kept"],
    );
  });

  test("a copy in use is whole, and replaces the one before", async () => {
    await using directory = await controlDirectory();
    using database = open(join(directory.path, "finch.db"), [BOX]);
    const insert = database.prepare("INSERT INTO boxes VALUES (?)");
    const copy = join(directory.path, "copy.db");
    for (const round of [1, 2]) {
      for (let n = 0; n < 500; n++) insert.run(`${round}-${n}`);
      await database.backup(copy);
      assert.equal((await stat(copy)).mode & 0o777, 0o600);
      const copied = new DatabaseSync(copy, { readOnly: true });
      assert.equal(copied.prepare("SELECT count(*) AS n FROM boxes").get()!["n"], 500 * round);
      copied.close();
    }
    await assert.rejects(database.backup(join(directory.path, "missing", "copy.db")), {
      code: "control/no-backup",
    });
  });
});
