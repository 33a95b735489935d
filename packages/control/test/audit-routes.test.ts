import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { silentLogger } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { auditRoutes } from "../src/audit-routes.ts";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";

interface Page {
  readonly events: readonly { readonly id: number; readonly action: string }[];
  readonly before?: number;
}

describe("GET /api/v1/audit", () => {
  test("answers page by page, and says what it does not understand", async () => {
    const clock = manualClock(START_MS);
    await using directory = await controlDirectory(clock);
    using control = await directory.open();
    const listener = await openListener({
      name: "ui",
      purpose: "a test",
      host: "127.0.0.1",
      port: 0,
      routes: auditRoutes(control.audit),
      limits: DEFAULT_HTTP_LIMITS,
      clock,
      log: silentLogger,
    });
    for (let n = 1; n <= 5; n++)
      control.audit.record(
        { name: n % 2 === 1 ? "user:ada" : "user:bob", origin: "192.0.2.7" },
        { action: `box.${n}`, target: "box", details: { n } },
      );
    const ask = async (query: string) => {
      const reply = await fetch(`http://127.0.0.1:${listener.port}/api/v1/audit?${query}`);
      return { status: reply.status, page: (await reply.json()) as Page };
    };
    const first = await ask("limit=2");
    assert.deepEqual(first.page.events[0], {
      at: "2026-11-01T00:00:00.000Z",
      id: first.page.events[0]!.id,
      actor: "user:ada",
      origin: "192.0.2.7",
      action: "box.5",
      target: "box",
      details: { n: 5 },
    });
    const seen = [...first.page.events];
    for (let { before } = first.page; before !== undefined;) {
      const { page } = await ask(`limit=2&before=${before}`);
      seen.push(...page.events);
      before = page.before;
    }
    assert.deepEqual(
      seen.map(({ action }) => action),
      ["box.5", "box.4", "box.3", "box.2", "box.1"],
    );
    const actionsOf = async (query: string) =>
      (await ask(query)).page.events.map(({ action }) => action);
    assert.deepEqual(await actionsOf("actor=user:bob"), ["box.4", "box.2"]);
    assert.deepEqual(await actionsOf("action=box.3&target=box"), ["box.3"]);
    assert.deepEqual(await actionsOf("target=other"), []);
    for (const query of ["limit=0", "limit=1001", "limit=x", "before=-1", "since=1h"])
      assert.equal((await ask(query)).status, 400, query);
    await listener.close(0);
  });
});
