/** What `otelcol.receiver.otlp` of a real `finch agent run` acknowledged reaches its receiver, although the agent is killed while that receiver is away. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { decodeOtlpTree, DEFAULT_OTLP_LIMITS } from "../packages/wire/src/index.ts";
import { encodeOtlpJson } from "../tools/otlp-encode.ts";
import { freePort } from "./finch-process.ts";

const MAIN = join(dirname(dirname(fileURLToPath(import.meta.url))), "packages/finch/src/main.ts");
const REQUESTS = 40;

const configOf = (port: number, receiver: number) => `
otelcol.receiver.otlp "in" {
	http { endpoint = "127.0.0.1:${port}" }
	output { traces = [otelcol.processor.batch.b.input] }
}
otelcol.processor.batch "b" {
	output { traces = [otelcol.exporter.otlphttp.out.input] }
}
otelcol.exporter.otlphttp "out" {
	client { endpoint = "http://127.0.0.1:${receiver}" }
	retry_on_failure {
		initial_interval = "100ms"
		max_interval     = "200ms"
	}
}
`;

function startAgent(directory: string) {
  const flags = [
    join(directory, "config.alloy"),
    `--storage.path=${join(directory, "data")}`,
    "--server.http.listen-addr=127.0.0.1:0",
  ];
  const child = spawn(process.execPath, [MAIN, "agent", "run", ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return {
    output: () => output,
    async end(signal: "SIGKILL" | "SIGTERM") {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal);
        await once(child, "exit");
      }
    },
  };
}

async function until(
  condition: () => boolean | Promise<boolean>,
  what: () => string,
): Promise<void> {
  for (let left = 1200; !(await condition()); left--) {
    assert.ok(left > 0, what());
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Whether the agent took the span; false while it does not listen. */
async function send(port: number, name: string): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/v1/traces`, {
      method: "POST",
      headers: { "content-type": "application/x-protobuf" },
      body: encodeOtlpJson({
        resourceSpans: [{ scopeSpans: [{ spans: [{ name }] }] }],
      }) as Uint8Array<ArrayBuffer>,
    });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

function openReceiver(port: number, names: string[]) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = gunzipSync(Buffer.concat(chunks));
      for (const { scopeSpans } of decodeOtlpTree("traces", body, DEFAULT_OTLP_LIMITS)
        .resourceSpans)
        for (const { spans } of scopeSpans) names.push(...spans.map(({ name }) => name));
      response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
    });
  });
  server.listen(port, "127.0.0.1");
  return server;
}

void test("spans that were acknowledged survive a kill of the agent while their receiver is away", async () => {
  const directory = await mkdtemp(join(tmpdir(), "finch-otel-kill-"));
  const [port, receiver] = [await freePort(), await freePort()];
  await writeFile(join(directory, "config.alloy"), configOf(port, receiver));
  const first = startAgent(directory);
  const wanted = Array.from({ length: REQUESTS }, (_, n) => `span ${n}`);
  try {
    await until(() => send(port, wanted[0]!), first.output);
    for (const name of wanted.slice(1)) assert.ok(await send(port, name), first.output());
  } finally {
    await first.end("SIGKILL");
  }
  const names: string[] = [];
  const server = openReceiver(receiver, names);
  const second = startAgent(directory);
  try {
    await until(() => new Set(names).size >= REQUESTS, second.output);
    assert.deepEqual([...new Set(names)].toSorted(), wanted.toSorted());
    // The receiver was away all the time, so that nothing was under way.
    assert.equal(names.length, REQUESTS);
  } finally {
    await second.end("SIGTERM");
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true, force: true });
  }
});
