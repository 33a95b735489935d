import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { silentLogger } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { forwardAuthRoutes } from "../src/forward-auth.ts";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";

describe("GET /auth", () => {
  test("is 200 for the token of a registered agent, 401 for everybody else, with an empty body", async () => {
    const clock = manualClock(START_MS);
    await using directory = await controlDirectory(clock);
    using control = await directory.open();
    const listener = await openListener({
      name: "auth",
      purpose: "a test",
      host: "127.0.0.1",
      port: 0,
      routes: forwardAuthRoutes({
        verifyAgentToken: (token) => control.tokens.verifyAgentToken(token),
        refusals: control.refusals,
      }),
      limits: DEFAULT_HTTP_LIMITS,
      clock,
      log: silentLogger,
    });
    const { resourceId } = control.agents.register(
      { name: "system", origin: "" },
      {
        hostname: "a",
        node: "",
        labels: [],
        logSources: ["journal://"],
        metrics: false,
        metricsTargets: [],
        profiles: false,
      },
    );
    const { token } = await control.tokens.issueAgentToken(resourceId);
    const dashboard = await control.tokens.issueDashboardToken({
      role: "admin",
      scope: [],
      seconds: 60,
    });
    const ask = async (authorization: string | undefined, init: RequestInit = {}) => {
      const headers = authorization === undefined ? {} : { authorization };
      const reply = await fetch(`http://127.0.0.1:${listener.port}/auth`, { headers, ...init });
      assert.equal(await reply.text(), "");
      return reply;
    };
    const taken = await ask(`Bearer ${token}`);
    assert.deepEqual([taken.status, taken.headers.get("x-finch-agent")], [200, resourceId]);
    assert.equal((await ask(`Bearer ${token}`, { method: "POST" })).status, 200);
    for (const authorization of [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      token,
      `Basic ${token}`,
      `Bearer ${token}x`,
      `Bearer ${token} ${token}`,
      `Bearer ${dashboard.token}`,
    ]) {
      const reply = await ask(authorization);
      assert.equal(reply.status, 401, String(authorization));
      assert.equal(reply.headers.get("x-finch-agent"), null);
    }
    control.agents.deregister({ name: "system", origin: "" }, resourceId);
    assert.equal((await ask(`Bearer ${token}`)).status, 401);
    await listener.close(0);
  });
});
