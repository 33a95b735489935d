import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { createAgentRoutes } from "../src/http.ts";
import { startAgent } from "../src/runtime/agent.ts";

const CONFIG = `discovery.relabel "first" {
	targets = [{__address__ = "h:1", note = "<script>"}]
	rule {
		target_label = "job"
		replacement  = "x"
	}
}
discovery.relabel "second" { targets = discovery.relabel.first.output }
`;

test("the HTTP API of an agent", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "finch-agent-http-"));
  const path = join(directory, "config.alloy");
  await writeFile(path, CONFIG);
  const stop = new AbortController();
  const agent = await startAgent({
    source: { path },
    storagePath: join(directory, "data"),
    clock: systemClock,
    fileSystem: nodeFileSystem,
    environment: {
      env: () => undefined,
      hostname: "box",
      os: "linux",
      arch: "amd64",
      version: "v1",
    },
    signal: stop.signal,
    logSink: () => {},
  });
  const listener = await openListener({
    name: "agent",
    purpose: "the agent",
    routes: createAgentRoutes(agent),
    limits: DEFAULT_HTTP_LIMITS,
    clock: systemClock,
    log: silentLogger,
    host: "127.0.0.1",
    port: 0,
  });
  const get = async (target: string, method = "GET") => {
    const response = await fetch(`http://127.0.0.1:${listener.port}${target}`, {
      method,
      headers: { connection: "close" },
    });
    return { status: response.status, text: await response.text() };
  };
  try {
    await t.test("readiness, health, metrics", async () => {
      assert.equal((await get("/-/ready")).status, 200);
      assert.deepEqual(await get("/-/healthy"), {
        status: 200,
        text: "All components are healthy.\n",
      });
      assert.match((await get("/metrics")).text, /running_components\{health_type="healthy"\} 2\n/);
    });
    await t.test("components in the shape of Alloy's web API", async () => {
      const list = JSON.parse((await get("/api/v0/web/components")).text) as {
        localID: string;
        name: string;
        label: string;
        referencesTo: string[];
      }[];
      assert.deepEqual(
        list.map(({ localID, name, label, referencesTo }) => ({
          localID,
          name,
          label,
          referencesTo,
        })),
        [
          {
            localID: "discovery.relabel.first",
            name: "discovery.relabel",
            label: "first",
            referencesTo: [],
          },
          {
            localID: "discovery.relabel.second",
            name: "discovery.relabel",
            label: "second",
            referencesTo: ["discovery.relabel.first"],
          },
        ],
      );
      const one = JSON.parse(
        (await get("/api/v0/web/components/discovery.relabel.first")).text,
      ) as {
        referencedBy: string[];
        arguments: { name: string; type: string }[];
        exports: unknown[];
      };
      assert.deepEqual(one.referencedBy, ["discovery.relabel.second"]);
      assert.deepEqual(
        one.arguments.map(({ name, type }) => `${type} ${name}`),
        ["attr targets", "block rule"],
      );
      assert.deepEqual(one.exports[0], {
        name: "output",
        type: "attr",
        value: {
          type: "array",
          value: [
            {
              type: "object",
              value: [
                { key: "__address__", value: { type: "string", value: "h:1" } },
                { key: "job", value: { type: "string", value: "x" } },
                { key: "note", value: { type: "string", value: "<script>" } },
              ],
            },
          ],
        },
      });
      assert.equal((await get("/api/v0/web/components/nothing.here")).status, 404);
    });
    await t.test("the page draws every component, in both directions", async () => {
      const { status, text } = await get("/");
      assert.equal(status, 200);
      assert.equal(text.match(/data-id="discovery\.relabel\.second"/g)?.length, 2);
      assert.match(text, /data-edge="discovery\.relabel\.first discovery\.relabel\.second"/);
      assert.match(text, /2 components, all healthy/);
      assert.doesNotMatch(text, /https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
    });
    await t.test("the page of a component escapes what comes from the configuration", async () => {
      const { status, text } = await get("/component/discovery.relabel.first");
      assert.equal(status, 200);
      assert.match(text, /&quot;note&quot; = &quot;&lt;script&gt;&quot;/);
      assert.match(text, /config\.alloy:1:1/);
      assert.match(text, /<h3>Arguments<\/h3>[^]*<code>targets<\/code>/);
      assert.match(text, /livedebugging \{ enabled = true \}/);
      assert.doesNotMatch(text, /<script>/);
      assert.equal((await get("/component/nothing.here")).status, 404);
      assert.equal((await get("/graph/nothing")).status, 404);
    });
    await t.test("the script of the pages", async () => {
      const { status, text } = await get("/assets/agent.js");
      assert.equal(status, 200);
      assert.match(text, /new EventSource/);
    });
    await t.test("watching is refused while live debugging is off", async () => {
      const { status, text } = await get("/api/v0/web/debug/discovery.relabel.first");
      assert.equal(status, 503);
      assert.match(text, /livedebugging \{ enabled = true \}/);
    });
    await t.test("reload", async () => {
      assert.deepEqual(await get("/-/reload", "POST"), { status: 200, text: "config reloaded\n" });
      await writeFile(path, "discovery.relabel {");
      const refused = await get("/-/reload");
      assert.equal(refused.status, 400);
      assert.match(refused.text, /config\.alloy:1:19: /);
      assert.equal(agent.components().length, 2);
    });
  } finally {
    await listener.close(1000);
    stop.abort();
    await agent.done;
    await rm(directory, { recursive: true });
  }
});
