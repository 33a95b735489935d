import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AUDIT_EVENTS_MAX, AUDIT_TEXT_CHARS_MAX } from "../src/limits.ts";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";

const ADA = { name: "user:ada", origin: "192.0.2.7" };
const BOB = { name: "user:bob", origin: "192.0.2.8" };

describe("the audit trail", () => {
  test("tells who did what, on what, when and from where, newest first, page by page", async () => {
    const clock = manualClock(START_MS);
    await using directory = await controlDirectory(clock);
    using control = await directory.open();
    const { audit } = control;
    audit.record(ADA, {
      action: "agent.register",
      target: "rid:1",
      details: { hostname: "web-1" },
    });
    clock.advance(5);
    audit.record(BOB, { action: "agent.deregister", target: "rid:1" });
    audit.record(BOB, { action: "secret.rotate", target: "" });
    const [newest, middle, oldest] = audit.list({ limit: 10 });
    assert.equal(newest!.action, "secret.rotate");
    assert.deepEqual(oldest, {
      id: oldest!.id,
      atMs: START_MS,
      actor: "user:ada",
      action: "agent.register",
      target: "rid:1",
      origin: "192.0.2.7",
      details: { hostname: "web-1" },
    });
    const actionsOf = (filter: object) =>
      audit.list({ limit: 10, ...filter }).map((one) => one.action);
    assert.deepEqual(actionsOf({ actor: "user:ada" }), ["agent.register"]);
    assert.deepEqual(actionsOf({ target: "rid:1" }), ["agent.deregister", "agent.register"]);
    assert.deepEqual(actionsOf({ action: "secret.rotate" }), ["secret.rotate"]);
    assert.deepEqual(actionsOf({ beforeId: middle!.id }), ["agent.register"]);
    assert.deepEqual(actionsOf({ limit: 1 }), ["secret.rotate"]);
  });

  test("is not there without the deed, nor the deed without it", async () => {
    await using directory = await controlDirectory();
    using control = await directory.open();
    assert.throws(() =>
      control.database.transaction(() => {
        control.audit.record(ADA, { action: "agent.register", target: "rid:1" });
        throw new Error("the deed failed");
      }),
    );
    assert.deepEqual(control.audit.list({ limit: 10 }), []);
  });

  test("is bounded: old events go, long texts are cut", async () => {
    await using directory = await controlDirectory();
    using control = await directory.open();
    const { audit, database } = control;
    audit.record(ADA, { action: "first", target: "" });
    database
      .prepare("UPDATE sqlite_sequence SET seq = ? WHERE name = 'audit_events'")
      .run(AUDIT_EVENTS_MAX);
    audit.record(ADA, {
      action: "last",
      target: "x".repeat(5000),
      details: { note: "y".repeat(5000) },
    });
    const events = audit.list({ limit: 10 });
    assert.deepEqual(
      events.map(({ action }) => action),
      ["last"],
    );
    assert.equal(events[0]!.target.length, AUDIT_TEXT_CHARS_MAX + 1);
    assert.equal(String(events[0]!.details["note"]).length, AUDIT_TEXT_CHARS_MAX + 1);
  });
});
