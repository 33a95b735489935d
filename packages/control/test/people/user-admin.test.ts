import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { addUser, code, GOOD_PASSWORD, HERE, openPeople, SYSTEM } from "./people-harness.ts";

const ADA = { name: "user:ada", origin: "127.0.0.1" };
const TOKEN = { name: "ci", permissions: ["read"], readScope: "", expiresAtMs: undefined } as const;

describe("users", () => {
  test("are made once, with a name that can be one", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    await addUser(people, "ada@example.com");
    await assert.rejects(addUser(people, "ADA@example.com"), code("control/user-exists"));
    for (const name of ["", " ada", "a/b", "a\u0000", "-x", "x".repeat(129)])
      await assert.rejects(addUser(people, name), code("control/bad-user"), name);
  });

  test("may be limited to what a selector selects, when they are viewers", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    const user = await addUser(people, "ada", { readScope: 'host=~"web.*",env!="secret"' });
    assert.equal(user.readScope, '{host=~"web.*", env!="secret"}');
    for (const readScope of ["{}", "{host=~", 'host=~"("', "host", `{a="${"x".repeat(1024)}"}`])
      await assert.rejects(
        addUser(people, "bob", { readScope }),
        code("control/bad-read-scope"),
        readScope,
      );
    await assert.rejects(
      addUser(people, "bob", { role: "editor", readScope: '{host="a"}' }),
      code("control/bad-read-scope"),
    );
    await assert.rejects(
      people.admin.changeUser(SYSTEM, user.id, { role: "admin" }),
      code("control/bad-read-scope"),
    );
  });

  test("leave an administrator behind, whatever happens", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    const { id } = people.users.findByName("admin")!;
    const last = code("control/last-admin");
    assert.throws(() => people.admin.removeUser(SYSTEM, id), last);
    await assert.rejects(people.admin.changeUser(SYSTEM, id, { role: "viewer" }), last);
    await assert.rejects(people.admin.changeUser(SYSTEM, id, { isDisabled: true }), last);
    assert.equal(people.users.get(id)?.role, "admin");
    await addUser(people, "ada", { role: "admin" });
    people.admin.removeUser(SYSTEM, id);
  });

  test("are changed and removed as the audit trail tells, without their secrets", async () => {
    await using harness = await openPeople();
    const { people, control } = harness;
    const { id } = await addUser(people, "bob");
    await people.admin.changeUser(ADA, id, { role: "editor", password: "four blind mice" });
    people.admin.removeUser(ADA, id);
    const events = control.audit.list({ target: "user:bob", limit: 10 });
    assert.deepEqual(
      events.map(({ action, actor }) => [action, actor]),
      [
        ["user.remove", "user:ada"],
        ["user.change", "user:ada"],
        ["user.create", "system"],
      ],
    );
    assert.doesNotMatch(JSON.stringify(events), /mice|scrypt/);
    assert.throws(() => people.admin.removeUser(ADA, id), code("control/no-such-user"));
  });

  test("sign in with the password an administrator set, locked out or not", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    const { id } = await addUser(people, "bob");
    for (let failure = 0; failure < 10; failure++)
      await assert.rejects(people.signIn("bob", "wrong password", HERE));
    await people.admin.changeUser(ADA, id, { password: "four blind mice" });
    await assert.rejects(
      people.signIn("bob", GOOD_PASSWORD, HERE),
      code("control/bad-credentials"),
    );
    await people.signIn("bob", "four blind mice", HERE);
  });
});

describe("an API token", () => {
  test("is shown once, kept as a hash, and knows when it was used from where", async () => {
    await using harness = await openPeople();
    const { people, control, clock } = harness;
    const { id } = await addUser(people, "ada");
    const { token, text } = people.admin.createToken(ADA, id, TOKEN);
    assert.match(text, /^finch_[A-Za-z0-9_-]{43}$/);
    assert.ok(
      !JSON.stringify(control.database.prepare("SELECT * FROM api_tokens").all()).includes(text),
    );
    assert.ok(!JSON.stringify(control.audit.list({ limit: 100 })).includes(text));
    assert.equal(people.tokens.get(token.id)?.usedAtMs, undefined);
    clock.advance(5000);
    const principal = people.ofApiToken(text, "192.0.2.7")!;
    assert.deepEqual([principal.kind, principal.actor], ["token", "token:ada/ci"]);
    const used = people.tokens.get(token.id)!;
    assert.deepEqual([used.usedAtMs, used.usedFrom], [clock.nowMs(), "192.0.2.7"]);
    for (const wrong of ["", "finch_", text.slice(0, -1), `${text}x`, text.replace("finch_", "")])
      assert.equal(people.ofApiToken(wrong, "192.0.2.7"), undefined, wrong);
  });

  test("may do what it says, and no more than its user may now", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    const { id } = await addUser(people, "ada", { role: "editor" });
    const { text } = people.admin.createToken(ADA, id, {
      ...TOKEN,
      permissions: ["read", "write"],
    });
    const may = () => [...people.ofApiToken(text, "")!.permissions];
    assert.deepEqual(may(), ["read", "write"]);
    await people.admin.changeUser(ADA, id, { role: "viewer", readScope: '{host="a"}' });
    assert.deepEqual(may(), ["read"]);
    assert.deepEqual(people.ofApiToken(text, "")!.readScopes, ['{host="a"}']);
    await people.admin.changeUser(ADA, id, { isDisabled: true });
    assert.equal(people.ofApiToken(text, ""), undefined);
  });

  test("reads what both its user and itself are limited to", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    const { id } = await addUser(people, "ada", { readScope: '{env="prod"}' });
    const wanted = { ...TOKEN, readScope: 'host=~"web.*"' };
    const { text } = people.admin.createToken(ADA, id, wanted);
    assert.deepEqual(people.ofApiToken(text, "")!.readScopes, ['{env="prod"}', '{host=~"web.*"}']);
  });

  test("ends when it expires, when it is removed, and with its user", async () => {
    await using harness = await openPeople();
    const { people, clock } = harness;
    const { id } = await addUser(people, "ada");
    const expiresAtMs = clock.nowMs() + 1000;
    const short = people.admin.createToken(ADA, id, { ...TOKEN, expiresAtMs });
    const long = people.admin.createToken(ADA, id, { ...TOKEN, name: "long" });
    clock.advance(999);
    assert.notEqual(people.ofApiToken(short.text, ""), undefined);
    clock.advance(1);
    assert.equal(people.ofApiToken(short.text, ""), undefined);
    people.admin.removeToken(ADA, short.token.id);
    assert.deepEqual(
      people.tokens.list(id).map(({ name }) => name),
      ["long"],
    );
    assert.throws(
      () => people.admin.removeToken(ADA, short.token.id),
      code("control/no-such-token"),
    );
    people.admin.removeUser(ADA, id);
    assert.equal(people.ofApiToken(long.text, ""), undefined);
  });

  test("is refused where it makes no sense", async () => {
    await using harness = await openPeople();
    const { people, clock } = harness;
    const { id } = await addUser(people, "ada", { role: "editor" });
    const bad = code("control/bad-api-token");
    const create = (change: object) => () =>
      people.admin.createToken(ADA, id, { ...TOKEN, ...change });
    assert.throws(create({ name: " " }), bad);
    assert.throws(create({ permissions: [] }), bad);
    assert.throws(create({ permissions: ["admin"] }), bad);
    assert.throws(create({ permissions: ["read", "write"], readScope: '{a="b"}' }), bad);
    assert.throws(create({ expiresAtMs: clock.nowMs() }), bad);
    assert.throws(create({ expiresAtMs: Number.NaN }), bad);
    create({})();
    assert.throws(create({}), code("control/token-exists"));
  });
});
