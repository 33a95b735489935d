/**
 * A real `finch up`, two real `finch agent run` with a `remotecfg` block and twenty simulated collectors: a configuration is rolled out in stages and its metrics come back as
 * figures, a bad one is taken back by itself, and a restart in the middle changes nothing.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SimulatedCollector } from "../packages/control/test/simulated-collector.ts";
import type { Way } from "../packages/control/test/simulated-collector.ts";
import { enrolAgents } from "./enrolled-agents.ts";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchPorts } from "./finch-process.ts";

const FINCH = join(import.meta.dirname, "../packages/finch/bin/finch");
const WAYS: readonly Way[] = ["post", "get", "json", "grpc"];
const WAIT_MS_MAX = 120_000;

interface Answer {
  readonly [name: string]: unknown;
}

/** What the agents run: their own metrics, sent home. */
function goodConfig(prometheusUrl: string, host: string): string {
  return `prometheus.exporter.self "own" { }
prometheus.scrape "own" {
	targets         = prometheus.exporter.self.own.targets
	forward_to      = [prometheus.remote_write.home.receiver]
	scrape_interval = "2s"
	scrape_timeout  = "2s"
}
prometheus.remote_write "home" {
	endpoint {
		url = "${prometheusUrl}/api/v1/write"
	}
	external_labels = { host = "${host}" }
}
`;
}

/** In order for whoever validates; the agents are started without what is experimental. */
const BAD = 'otelcol.exporter.debug "out" { }\n';

async function startAgent(
  directory: string,
  { id, token, url }: { readonly id: string; readonly token: string; readonly url: string },
): Promise<AsyncDisposable & { readonly child: ChildProcess }> {
  const path = join(directory, `${id}.alloy`);
  const remotecfg = `remotecfg {
	url            = "${url}"
	id             = "${id}"
	bearer_token   = "${token}"
	poll_frequency = "10s"
}
`;
  await writeFile(path, remotecfg);
  const port = await freePort();
  const args = [
    "agent",
    "run",
    path,
    `--storage.path=${join(directory, id)}`,
    `--server.http.listen-addr=127.0.0.1:${port}`,
  ];
  const child = spawn(FINCH, args, { stdio: "ignore" });
  const exited = once(child, "exit");
  return {
    child,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

class Api {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const reply = await fetch(`${this.#url}/api/v1/fleet${path}`, {
      method,
      headers: { "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    assert.ok(reply.ok, `${method} ${path}: ${reply.status} ${text}`);
    return JSON.parse(text) as Answer;
  }

  async until(what: string, path: string, isTrue: (answer: Answer) => boolean): Promise<Answer> {
    const deadline = Date.now() + WAIT_MS_MAX;
    for (;;) {
      const answer = await this.ask("GET", path);
      if (isTrue(answer)) return answer;
      assert.ok(Date.now() < deadline, `never happened: ${what}; last: ${JSON.stringify(answer)}`);
      await sleep(250);
    }
  }
}

test(
  "two real agents and twenty simulated collectors are configured, and a bad version is taken back",
  { timeout: 300_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "finch-fleet-"));
    try {
      await manageFleet(directory);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
);

async function manageFleet(directory: string): Promise<void> {
  const data = join(directory, "finch");
  await mkdir(data);
  await writeIdleAgent(data);
  const simulatedNames = Array.from(
    { length: 20 },
    (_, at) => `sim-${String(at).padStart(2, "0")}`,
  );
  const { agents } = await enrolAgents(data, ["a-real-1", "a-real-2", ...simulatedNames]);
  const ports: FinchPorts = { ...(await freePorts()), ui: await freePort() };
  const url = `http://127.0.0.1:${ports.ui!}`;
  let finch = await startFinch(data, ports);
  const api = new Api(url);
  const simulated = agents.slice(2).map(
    ({ hostname: id, token }, at) =>
      new SimulatedCollector({
        url,
        id,
        token,
        way: WAYS[at % WAYS.length]!,
        attributes: { env: "sim" },
      }),
  );
  const stop = new AbortController();
  try {
    await using first = await startAgent(directory, { ...agents[0]!, id: "a-real-1", url });
    await using second = await startAgent(directory, { ...agents[1]!, id: "a-real-2", url });
    void [first, second];
    const polling = pollAll(simulated, stop.signal);
    await api.until("all have called in", "/collectors", ({ collectors }) =>
      isAll(collectors, 22, ({ contact }) => contact === "connected"),
    );
    const good = goodConfig(finch.prometheusUrl, agents[0]!.hostname);
    await api.ask("PUT", "/configurations/base", { text: good });
    const stages = [
      { collectors: 1, pauseSeconds: 1 },
      { percent: 100, pauseSeconds: 1 },
    ];
    const start = () =>
      api.ask("POST", "/rollouts", { configuration: "base", selector: '{fleet="test"}', stages });
    assert.equal((await start())["state"], "applying");
    // In the middle of it Finch is killed, and goes on.
    await finch.kill();
    finch = await startFinch(data, ports);
    await api.until("it is complete", "/rollouts/1", ({ state }) => state === "completed");
    await api.until("all run it", "/collectors", ({ collectors }) =>
      isAll(collectors, 22, ({ drift }) => drift === "in-sync"),
    );
    const told = await api.until("figures come", "/collectors/a-real-1", ({ figures }) => {
      const { samplesPerSecond = 0 } = (figures ?? {}) as { samplesPerSecond?: number };
      return samplesPerSecond > 0;
    });
    assert.equal((told["figures"] as Answer)["errorShare"], 0);

    // The same by the command line, which waits and says why.
    const path = join(directory, "bad.alloy");
    await writeFile(path, BAD);
    const saved = await runFleet(url, ["save", "base", path]);
    assert.deepEqual([saved.code, saved.stdout], [0, "NAME  VERSION\nbase  2\n"]);
    const stageFlags = ["--stage", "1:1s", "--stage", "100%:1s", "--wait"];
    const selector = ["--selector", '{fleet="test"}'];
    const rolledOut = await runFleet(url, ["roll-out", "base", ...selector, ...stageFlags]);
    assert.equal(rolledOut.code, 1, rolledOut.stderr);
    assert.match(rolledOut.stderr, /^stage 1 of 2: [^]*taken back: a-real-1/);
    const back = await api.ask("GET", "/rollouts/2");
    assert.equal(back["state"], "rolled-back");
    assert.match(String(back["reason"]), /^a-real-1: refused it: .*otelcol\.exporter\.debug/);
    assert.equal(back["stage"], 1);
    await api.until("all run the good one again", "/collectors", ({ collectors }) =>
      isAll(collectors, 22, ({ drift }) => drift === "in-sync"),
    );
    assert.ok(simulated.every(({ running }) => running === good));
    stop.abort();
    await polling;
  } finally {
    stop.abort();
    await finch[Symbol.asyncDispose]();
  }
}

/** `finch fleet …`. */
async function runFleet(url: string, args: readonly string[]) {
  const child = spawn(FINCH, ["fleet", ...args, `--url=${url}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

function isAll(list: unknown, count: number, isTrue: (one: Answer) => boolean): boolean {
  const all = list as readonly Answer[];
  return all.length === count && all.every(isTrue);
}

/** As agents do, each by itself; Finch may be away meanwhile. */
async function pollAll(
  collectors: readonly SimulatedCollector[],
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    collectors.map(async (collector) => {
      while (!signal.aborted) {
        await collector.poll().catch((error: unknown) => {
          if (!isAway(error)) throw error;
        });
        await sleep(1000, undefined, { signal }).catch(() => {});
      }
    }),
  );
}

/** Nobody listens, or hung up in the middle. */
function isAway(error: unknown): boolean {
  const { message, cause } = error as { message?: string; cause?: { code?: string } };
  const text = `${message ?? ""} ${cause?.code ?? ""}`;
  return /ECONNREFUSED|ECONNRESET|fetch failed|socket|closed|undefined/i.test(text);
}
