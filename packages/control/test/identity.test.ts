import assert from "node:assert/strict";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";

const ORIGINAL = {
  created_at: "2026-01-02T03:04:05+01:00",
  database: "sqlite://finch.db",
  hostname: "finch.example.com",
  id: "8d134b24c2541730",
  profiler: "http://pyroscope:4040",
  secret: "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
};

describe("the identity of the service", () => {
  test("is made once, kept for its owner alone, and the same from then on", async () => {
    await using directory = await controlDirectory();
    using first = await directory.open();
    const { id, hostname, createdAt, secret } = first.identity.current;
    assert.match(id, /^[0-9a-f]{16}$/);
    assert.deepEqual([hostname, createdAt], ["finch.test", "2026-11-01T00:00:00Z"]);
    assert.equal(Buffer.from(secret, "base64").length, 32);
    assert.equal((await stat(join(directory.path, "finch.json"))).mode & 0o777, 0o600);
    first[Symbol.dispose]();
    using second = await directory.open();
    assert.deepEqual(second.identity.current, first.identity.current);
  });

  test("that of an original Finch is taken over, and closed to others", async () => {
    await using directory = await controlDirectory();
    const path = join(directory.path, "finch.json");
    await writeFile(path, JSON.stringify(ORIGINAL));
    await chmod(path, 0o644);
    using control = await directory.open();
    const { id, hostname, createdAt, secret } = control.identity.current;
    assert.deepEqual(
      { id, hostname, createdAt, secret },
      {
        id: ORIGINAL.id,
        hostname: ORIGINAL.hostname,
        createdAt: ORIGINAL.created_at,
        secret: ORIGINAL.secret,
      },
    );
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  test("a configured name replaces the one in the file, the rest stays", async () => {
    await using directory = await controlDirectory();
    const path = join(directory.path, "finch.json");
    await writeFile(path, JSON.stringify(ORIGINAL));
    const hostname = { configured: "new.example.com", fallback: "x" };
    using control = await directory.open({ hostname });
    assert.equal(control.identity.current.hostname, "new.example.com");
    const kept: unknown = JSON.parse(await readFile(path, "utf8"));
    assert.deepEqual(kept, { ...ORIGINAL, hostname: "new.example.com" });
  });

  test("a rotated secret overlaps for as long as was asked", async () => {
    const clock = manualClock(START_MS);
    await using directory = await controlDirectory(clock);
    using control = await directory.open();
    const { identity } = control;
    const old = identity.current.secret;
    await identity.rotateSecret(60_000);
    assert.notEqual(identity.current.secret, old);
    assert.deepEqual(identity.current.formerSecrets, [
      { secret: old, validUntilMs: START_MS + 60_000 },
    ]);
    using reopened = await directory.open();
    assert.deepEqual(reopened.identity.current, identity.current);
    clock.advance(60_000);
    assert.deepEqual(identity.current.formerSecrets, []);
    await identity.rotateSecret(60_000);
    await identity.rotateSecret(0);
    assert.deepEqual(identity.current.formerSecrets, [], "without overlap the former ones go, too");
  });

  test("what another program wrote is read on demand; what cannot be used changes nothing", async () => {
    await using directory = await controlDirectory();
    using control = await directory.open();
    const { identity } = control;
    const path = join(directory.path, "finch.json");
    await writeFile(path, JSON.stringify(ORIGINAL));
    await identity.reload();
    assert.equal(identity.current.secret, ORIGINAL.secret);
    await writeFile(path, "{}");
    await assert.rejects(identity.reload(), { code: "control/bad-identity" });
    assert.equal(identity.current.secret, ORIGINAL.secret);
  });

  const refused: readonly (readonly [name: string, text: string, why: RegExp])[] = [
    ["no JSON", "{", /no JSON/],
    ["no object", "null", /no object/],
    ["without a secret", JSON.stringify({ ...ORIGINAL, secret: undefined }), /"secret" is missing/],
    ["with a secret to guess", JSON.stringify({ ...ORIGINAL, secret: "finch" }), /shorter than 32/],
    ["with an id that is a path", JSON.stringify({ ...ORIGINAL, id: "../x" }), /"id" is not of/],
    [
      "with former secrets of another shape",
      JSON.stringify({ ...ORIGINAL, former_secrets: [{}] }),
      /former_secrets/,
    ],
  ];
  for (const [name, text, why] of refused)
    test(`a file ${name} is refused, and stays`, async () => {
      await using directory = await controlDirectory();
      const path = join(directory.path, "finch.json");
      await writeFile(path, text);
      await assert.rejects(directory.open(), { code: "control/bad-identity", message: why });
      assert.equal(await readFile(path, "utf8"), text);
    });
});
