/** What can be seen of a running agent: flows over edges, what passes, what is dropped, through the HTTP API. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { createAgentRoutes } from "../src/http.ts";
import { defineComponent } from "../src/component.ts";
import type { LogEntry, LogsReceiver } from "../src/receivers.ts";
import { COMPONENTS } from "../src/components/index.ts";
import { startAgent } from "../src/runtime/agent.ts";
import { required } from "../src/schema.ts";
import { untilAborted } from "../src/until-aborted.ts";
import { temporaryDirectory } from "./component-harness.ts";

type Send = (lines: readonly string[]) => Promise<void>;

/** An agent with a source that sends what a test says and a sink that waits until it is told to take. */
async function startLive(config: string) {
  const directory = await temporaryDirectory();
  const path = join(directory.path, "config.alloy");
  await writeFile(path, config);
  const gate = { open: Promise.resolve() };
  let send: Send | undefined;
  const source = defineComponent({
    name: "loki.source.test",
    stability: "generally-available",
    summary: "Sends.",
    arguments: { forward_to: required("list(logs-receiver)", "Where to.") },
    exports: {},
    run: (context, signal) => {
      send = async (lines) => {
        const entries = lines.map((line): LogEntry => ({
          line,
          labels: Labels.fromObject({ app: "a" }),
          timestampNs: 1_000_000_000n,
          structuredMetadata: Labels.EMPTY,
        }));
        for (const receiver of context.arguments().forward_to)
          await receiver.append(entries, signal);
      };
      return untilAborted(signal, async () => void (await context.nextArguments(signal)));
    },
  });
  const sink = defineComponent<{}, { readonly receiver: LogsReceiver }>({
    name: "loki.sink.test",
    stability: "generally-available",
    summary: "Takes.",
    arguments: {},
    exports: { receiver: "Takes." },
    run: (context, signal) => {
      const append = () => gate.open;
      context.setExports({ receiver: { kind: "logs-receiver", owner: context.id, append } });
      return untilAborted(signal, async () => void (await context.nextArguments(signal)));
    },
  });
  const stop = new AbortController();
  const agent = await startAgent({
    source: { path },
    storagePath: join(directory.path, "data"),
    clock: systemClock,
    fileSystem: nodeFileSystem,
    environment: { env: () => "", hostname: "box", os: "linux", arch: "amd64", version: "v1" },
    signal: stop.signal,
    logSink: () => {},
    components: {
      ...COMPONENTS,
      "loki.source.test": () => Promise.resolve(source),
      "loki.sink.test": () => Promise.resolve(sink),
    },
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
  const url = `http://127.0.0.1:${listener.port}`;
  return {
    agent,
    url,
    path,
    gate,
    send: (...lines: string[]) => send!(lines),
    async [Symbol.asyncDispose]() {
      await listener.close(500);
      stop.abort();
      await agent.done;
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Reads a stream until what came satisfies; then hangs up. */
async function readUntil(url: string, isEnough: (text: string) => boolean): Promise<string> {
  const hangUp = new AbortController();
  const response = await fetch(url, { signal: hangUp.signal });
  assert.equal(response.status, 200, url);
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk, { stream: true });
    if (isEnough(text)) break;
  }
  hangUp.abort();
  return text;
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = systemClock.monotonicMs() + 20_000;
  while (!condition()) {
    assert.ok(systemClock.monotonicMs() < endMs, "it did not come in time");
    await new Promise((done) => setTimeout(done, 5));
  }
}

const CONFIG = `
livedebugging { enabled = true }
loki.source.test "s" { forward_to = [loki.process.p.receiver] }
loki.process "p" {
	forward_to = [loki.sink.test.k.receiver]
	stage.match {
		selector = "{app=\\"a\\"}"
		stage.drop {
			expression          = "noise"
			drop_counter_reason = "noisy"
		}
	}
}
loki.sink.test "k" { }
`;

test("edges count what is taken, and tell of a receiver that does not take", async () => {
  await using live = await startLive(CONFIG);
  await live.send("one", "two", "noise");
  const counts = () =>
    live.agent.live.meters.all().map(({ from, to, items }) => `${from}>${to} ${items}`);
  assert.deepEqual(counts(), [
    "loki.source.test.s>loki.process.p 3",
    "loki.process.p>loki.sink.test.k 2",
  ]);
  const gate = Promise.withResolvers<void>();
  live.gate.open = gate.promise;
  const sending = live.send("three");
  const nowMs = systemClock.monotonicMs();
  await until(() =>
    live.agent.live.meters.all().every((meter) => meter.pendingMs(nowMs + 1e4) > 0),
  );
  const text = await readUntil(`${live.url}/live/graph/`, (got) => /waits \d+ %/.test(got));
  assert.match(text, /"key":"loki\.process\.p loki\.sink\.test\.k","text":"[^"]*waits/);
  gate.resolve();
  await sending;
  assert.ok(live.agent.live.meters.all().every((meter) => meter.pendingMs(nowMs + 1e4) === 0));
});

test("a batch that is refused is counted as refused, and the fault goes on to the sender", async () => {
  await using live = await startLive(CONFIG);
  live.gate.open = Promise.reject(new Error("no room"));
  live.gate.open.catch(() => {});
  await assert.rejects(live.send("one"), /no room/);
  const [, last] = live.agent.live.meters.all();
  assert.deepEqual([last!.items, last!.refused], [0, 1]);
});

test("what passes through a component can be watched, in and out", async () => {
  await using live = await startLive(CONFIG);
  const watching = readUntil(
    `${live.url}/live/component/loki.process.p`,
    (text) => text.split("hello").length > 2,
  );
  await until(() => live.agent.live.isWatched);
  await live.send("hello");
  const text = await watching;
  const { items } = JSON.parse(/data: (.*)/.exec(text)![1]!) as {
    items: { from: string; to: string; text: string; labels: string; time: string }[];
  };
  assert.deepEqual(items[0], {
    from: "loki.source.test.s",
    to: "loki.process.p",
    kind: "entry",
    labels: '{app="a"}',
    text: "hello",
    time: "1970-01-01T00:00:01Z",
    metadata: "",
  });
  await until(() => !live.agent.live.isWatched);
});

test("the stream of Alloy's API ends each chunk as Alloy does", async () => {
  await using live = await startLive(CONFIG);
  const watching = readUntil(`${live.url}/api/v0/web/debug/loki.process.p`, (text) =>
    text.includes("[OUT]"),
  );
  await until(() => live.agent.live.isWatched);
  await live.send("hello");
  assert.match(
    await watching,
    /^\[IN\]: timestamp: 1970-01-01T00:00:01Z, entry: hello, labels: \{app="a"\}\|;\|\[OUT\]: /,
  );
  const refused = await fetch(`${live.url}/api/v0/web/debug/loki.process.p?sampleProb=2`);
  assert.equal(refused.status, 400);
  await refused.body?.cancel();
  const feed = readUntil(`${live.url}/api/v0/web/graph?window=1`, (text) => text.includes("}|;|"));
  let isFed = false;
  void feed.finally(() => (isFed = true));
  while (!isFed) {
    await live.send("more");
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.match(
    await feed,
    /"componentID":"loki\.source\.test\.s","targetComponentIDs":\["loki\.process\.p"\],"type":"loki_log"/,
  );
});

test("the configuration turns watching off, for those who watch, too", async () => {
  await using live = await startLive(CONFIG);
  const watching = readUntil(`${live.url}/live/component/loki.process.p`, () => false);
  await until(() => live.agent.live.isWatched);
  await writeFile(live.path, CONFIG.replace("enabled = true", "enabled = false"));
  await live.agent.reload();
  await live.send("unseen");
  assert.doesNotMatch(await watching, /unseen/);
  assert.equal(live.agent.live.isWatched, false);
  const refused = await fetch(`${live.url}/live/component/loki.process.p`);
  assert.equal(refused.status, 503);
  await refused.body?.cancel();
});

test("what is dropped is told with its component, its place and its reason, and shown to those who watch", async () => {
  await using live = await startLive(CONFIG);
  const watching = readUntil(`${live.url}/live/dropped`, (text) => text.includes("data: {"));
  await live.send("noise before anybody watches");
  // The stream begins with a comment, sent when it listens.
  await until(() => live.agent.live.watchers > 0);
  await live.send("keep", "noise one", "noise two");
  const { items } = JSON.parse(/data: (.*)/.exec(await watching)![1]!) as { items: object[] };
  assert.deepEqual(items, [
    {
      kind: "lines",
      reason: "noisy",
      at: "stage[0].stage[0]",
      labels: '{app="a"}',
      text: "noise one",
      component: "loki.process.p",
    },
    {
      kind: "lines",
      reason: "noisy",
      at: "stage[0].stage[0]",
      labels: '{app="a"}',
      text: "noise two",
      component: "loki.process.p",
    },
  ]);
  const page = await (await fetch(`${live.url}/dropped`)).text();
  assert.match(page, /<td class="number">3<\/td><td>lines<\/td><td>noisy<\/td>/);
  assert.match(page, /<code>stage\[0\]\.stage\[0\]<\/code> [^<]*config\.alloy:8:3<\/td>/);
});

test("a page of others that points its name to this machine does not see what passes", async () => {
  await using live = await startLive(CONFIG);
  const statusUnder = (host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const request = get(`${live.url}/live/component/loki.process.p`, { headers: { host } });
      request.on("response", (response) => {
        resolve(response.statusCode);
        response.destroy();
      });
      request.on("error", reject);
    });
  assert.equal(await statusUnder("evil.example"), 400);
  assert.equal(await statusUnder("localhost:1"), 200);
  assert.equal(await statusUnder("[::1]:1"), 200);
});
