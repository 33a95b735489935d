import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  addUser,
  CHEAP,
  code,
  ELSEWHERE,
  GOOD_PASSWORD,
  HERE,
  openPeople,
  SYSTEM,
} from "./people-harness.ts";

const first = { name: "admin", password: "admin", newPassword: GOOD_PASSWORD, setUpCode: "" };

describe("the first administrator", () => {
  test("signs in with admin:admin once, only to set a password", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    await assert.rejects(people.signIn("admin", "admin", HERE), code("control/set-password-first"));
    const { principal, token } = await people.setPassword(first, HERE);
    assert.equal(principal.user?.role, "admin");
    assert.equal(people.ofSessionToken(token)?.actor, "user:admin");
    await assert.rejects(people.signIn("admin", "admin", HERE), code("control/bad-credentials"));
    await assert.rejects(people.setPassword(first, HERE), code("control/bad-credentials"));
    await people.signIn("admin", GOOD_PASSWORD, ELSEWHERE);
    assert.equal(people.setUpCode, undefined);
  });

  test("needs the set-up code from another machine", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    assert.match(people.setUpCode!, /^[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}$/);
    for (const setUpCode of ["", "AAAA-AAAA-AAAA", harness.again().setUpCode!])
      await assert.rejects(
        people.setPassword({ ...first, setUpCode }, ELSEWHERE),
        code("control/wrong-set-up-code"),
      );
    const setUpCode = people.setUpCode!.toLowerCase();
    await people.setPassword({ ...first, setUpCode }, ELSEWHERE);
    await people.signIn("admin", GOOD_PASSWORD, ELSEWHERE);
  });

  test("is locked after too many wrong set-up codes", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    for (let failure = 0; failure < 10; failure++)
      await assert.rejects(people.setPassword(first, ELSEWHERE), code("control/wrong-set-up-code"));
    const setUpCode = people.setUpCode!;
    await assert.rejects(
      people.setPassword({ ...first, setUpCode }, ELSEWHERE),
      code("control/locked-out"),
    );
  });

  test("who sets a weak password has still to set one", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    await assert.rejects(
      people.setPassword({ ...first, newPassword: "admin" }, HERE),
      code("control/weak-password"),
    );
    await people.setPassword(first, HERE);
  });

  test("is set by one of two who try at once", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    const both = await Promise.allSettled([
      people.setPassword(first, HERE),
      people.setPassword({ ...first, newPassword: "something else again" }, HERE),
    ]);
    assert.deepEqual(both.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
  });

  test("is there once, however often Finch starts", async () => {
    await using harness = await openPeople();
    await harness.people.setPassword(first, HERE);
    const again = harness.again();
    assert.deepEqual(
      again.users.list().map(({ name, isInitial }) => [name, isInitial]),
      [["admin", false]],
    );
  });
});

describe("signing in", () => {
  test("tells a wrong password and a name that is not there alike", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    await addUser(people, "ada");
    const faults = await Promise.all(
      [
        ["ada", "not her password"],
        ["nobody", GOOD_PASSWORD],
        ["ada", "x".repeat(5000)],
      ].map(([name, password]) => people.signIn(name!, password!, HERE).catch((error) => error)),
    );
    assert.deepEqual(
      new Set(faults.map(({ code: told }) => told)),
      new Set(["control/bad-credentials"]),
    );
    assert.equal(new Set(faults.map(({ message }) => message)).size, 1);
  });

  test("does not mind letters of either case in the name", async () => {
    await using harness = await openPeople();
    await addUser(harness.people, "Ada");
    const { principal } = await harness.people.signIn("aDA", GOOD_PASSWORD, HERE);
    assert.equal(principal.user?.name, "Ada");
  });

  test("locks an account after ten failures, also for the right password, and tells the audit trail", async () => {
    await using harness = await openPeople();
    const { people, control, clock } = harness;
    await addUser(people, "ada");
    for (let failure = 0; failure < 10; failure++)
      await assert.rejects(people.signIn("ada", "wrong password", ELSEWHERE));
    await assert.rejects(people.signIn("ADA", GOOD_PASSWORD, HERE), code("control/locked-out"));
    const [event] = control.audit.list({ action: "sign-in.lock-out", limit: 10 });
    assert.deepEqual([event?.target, event?.origin], ["user:ada", ELSEWHERE.address]);
    const figures = people.families().flatMap(({ samples }) => samples.map(({ value }) => value));
    assert.deepEqual(figures, [0, 10, 1]);
    clock.advance(15 * 60_000);
    await people.signIn("ada", GOOD_PASSWORD, HERE);
  });

  test("locks names that are not there in the same way", async () => {
    await using harness = await openPeople();
    for (let failure = 0; failure < 10; failure++)
      await assert.rejects(
        harness.people.signIn("nobody", "wrong password", ELSEWHERE),
        code("control/bad-credentials"),
      );
    await assert.rejects(
      harness.people.signIn("nobody", "wrong password", ELSEWHERE),
      code("control/locked-out"),
    );
  });

  test("hashes the password anew when the cost has risen", async () => {
    await using harness = await openPeople();
    const { id } = await addUser(harness.people, "ada");
    const dearer = harness.again({ scryptCost: { ...CHEAP, costLog2: 6 } });
    await assert.rejects(dearer.signIn("ada", "wrong password", HERE));
    assert.match(dearer.users.get(id)!.passwordHash!, /ln=4,/);
    await dearer.signIn("ada", GOOD_PASSWORD, HERE);
    assert.match(dearer.users.get(id)!.passwordHash!, /ln=6,/);
    await dearer.signIn("ada", GOOD_PASSWORD, HERE);
  });

  test("is for nobody who has no password", async () => {
    await using harness = await openPeople();
    await harness.people.admin.createUser(SYSTEM, {
      name: "ada",
      fullName: "",
      role: "viewer",
      readScope: "",
      password: undefined,
      provider: "https://id.example.com",
      subject: "1",
    });
    for (const password of ["", "admin", "undefined", "null"])
      await assert.rejects(
        harness.people.signIn("ada", password, HERE),
        code("control/bad-credentials"),
      );
  });
});

describe("a session", () => {
  test("is kept as a hash, and ends when it is not used, or is too old", async () => {
    await using harness = await openPeople({
      sessionLimits: { idleMsMax: 1000_000, ageMsMax: 3000_000 },
    });
    const { people, clock, control } = harness;
    await addUser(people, "ada");
    const { token } = await people.signIn("ada", GOOD_PASSWORD, HERE);
    const rows = control.database.prepare("SELECT * FROM sessions").all();
    assert.ok(!JSON.stringify(rows).includes(token));
    for (let step = 0; step < 3; step++) {
      clock.advance(900_000);
      assert.equal(people.ofSessionToken(token)?.user?.name, "ada");
    }
    clock.advance(900_000);
    assert.equal(people.ofSessionToken(token), undefined, "too old");
    const { token: idle } = await people.signIn("ada", GOOD_PASSWORD, HERE);
    clock.advance(1000_000);
    assert.equal(people.ofSessionToken(idle), undefined, "not used");
    await people.signIn("ada", GOOD_PASSWORD, HERE);
    const left = control.database.prepare("SELECT count(*) AS n FROM sessions").get()!;
    assert.equal(left["n"], 1, "those that have ended are removed");
  });

  test("is listed and ended by its user, and by nobody else's id", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    const ada = await addUser(people, "ada");
    const bob = await addUser(people, "bob");
    const { token, principal } = await people.signIn("ada", GOOD_PASSWORD, ELSEWHERE);
    const [session] = people.sessions.list(ada.id);
    assert.equal(session?.address, ELSEWHERE.address);
    assert.equal(people.sessions.end(bob.id, session!.id), false);
    assert.equal(people.ofSessionToken(token)?.sessionId, principal.sessionId);
    assert.equal(people.sessions.end(ada.id, session!.id), true);
    assert.equal(people.ofSessionToken(token), undefined);
  });

  test("ends with the user, with disabling, and with a new password", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    const { id } = await addUser(people, "ada");
    const begin = async (password = GOOD_PASSWORD) =>
      (await people.signIn("ada", password, HERE)).token;
    const one = await begin();
    await people.admin.changeUser(SYSTEM, id, { isDisabled: true });
    assert.equal(people.ofSessionToken(one), undefined);
    await assert.rejects(begin(), code("control/bad-credentials"));
    await people.admin.changeUser(SYSTEM, id, { isDisabled: false });
    const two = await begin();
    const changed = {
      name: "ada",
      password: GOOD_PASSWORD,
      newPassword: "four blind mice",
      setUpCode: "",
    };
    const { token: three } = await people.setPassword(changed, ELSEWHERE);
    assert.equal(people.ofSessionToken(two), undefined);
    assert.equal(people.ofSessionToken(three)?.user?.name, "ada");
    people.admin.removeUser(SYSTEM, id);
    assert.equal(people.ofSessionToken(three), undefined);
  });

  test("has the rights its user has now", async () => {
    await using harness = await openPeople();
    const { people } = harness;
    const { id } = await addUser(people, "ada", { role: "editor" });
    const { token } = await people.signIn("ada", GOOD_PASSWORD, HERE);
    assert.ok(people.ofSessionToken(token)!.permissions.has("edit"));
    await people.admin.changeUser(SYSTEM, id, { role: "viewer", readScope: 'host=~"web.*"' });
    const now = people.ofSessionToken(token)!;
    assert.deepEqual([...now.permissions], ["read"]);
    assert.deepEqual(now.readScopes, ['{host=~"web.*"}']);
  });

  test("that was not used for longest ends when there are too many", async () => {
    await using harness = await openPeople();
    const { people, clock } = harness;
    const ada = await addUser(people, "ada");
    const tokens: string[] = [];
    for (let session = 0; session < 52; session++) {
      clock.advance(1);
      tokens.push(people.beginSession(ada.id, HERE).token);
    }
    assert.equal(people.sessions.list(ada.id).length, 50);
    assert.deepEqual(
      tokens.map((token) => people.ofSessionToken(token) !== undefined),
      [false, false, ...Array<boolean>(50).fill(true)],
    );
  });
});
