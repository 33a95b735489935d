/** SIGKILL right behind the answers of every way in for logs: what was answered is there after a restart. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchProcess } from "./finch-process.ts";

const ROUNDS = 3;
const PUSHES = 20;
const LINES = 25;

async function post(url: string, type: string, body: string): Promise<boolean> {
  const reply = await fetch(url, { method: "POST", headers: { "content-type": type }, body });
  await reply.text();
  return reply.ok;
}

/** Lines that a selector finds. */
async function count(finch: FinchProcess, selector: string): Promise<number> {
  const query = new URLSearchParams({ query: `sum(count_over_time(${selector}[1h]))` });
  const reply = await fetch(`${finch.lokiUrl}/loki/api/v1/query?${query.toString()}`);
  const { data } = (await reply.json()) as { data: { result: { value: [number, string] }[] } };
  return Number(data.result[0]?.value[1] ?? 0);
}

void test("what OTLP, Loki, _bulk and journal uploads were answered for survives SIGKILL", async () => {
  const directory = await mkdtemp(join(tmpdir(), "finch-log-ways-"));
  try {
    const data = join(directory, "finch");
    await writeIdleAgent(data);
    const ports = await freePorts();
    const [elastic, journal, syslog] = await Promise.all([freePort(), freePort(), freePort()]);
    const flags = [
      `--listen-elastic=127.0.0.1:${elastic}`,
      `--listen-journal=127.0.0.1:${journal}`,
      `--listen-syslog-tcp=127.0.0.1:${syslog}`,
      // Labels are demoted on the way, whose decision must be as durable.
      "--limits-logs-label-values=100",
    ];
    const answered = { loki: 0, otlp: 0, elastic: 0, journal: 0 };
    let number = 0;
    const send = async (kind: keyof typeof answered, finch: FinchProcess) => {
      const from = (number += LINES);
      const lines = Array.from({ length: LINES }, (_, i) => `${kind} ${from + i}`);
      const nowMs = Date.now();
      const bodies: Readonly<Record<keyof typeof answered, () => Promise<boolean>>> = {
        loki: () =>
          post(
            `${finch.lokiUrl}/loki/api/v1/push`,
            "application/json",
            JSON.stringify({
              streams: lines.map((line) => ({
                stream: { way: "loki", user: line },
                values: [[`${nowMs}000000`, line]],
              })),
            }),
          ),
        otlp: () =>
          post(
            `${finch.lokiUrl}/otlp/v1/logs`,
            "application/json",
            JSON.stringify({
              resourceLogs: [
                {
                  resource: {
                    attributes: [{ key: "service.name", value: { stringValue: "otlp" } }],
                  },
                  scopeLogs: [
                    {
                      logRecords: lines.map((stringValue) => ({
                        timeUnixNano: `${nowMs}000000`,
                        body: { stringValue },
                      })),
                    },
                  ],
                },
              ],
            }),
          ),
        elastic: () =>
          post(
            `http://127.0.0.1:${elastic}/kill/_bulk`,
            "application/x-ndjson",
            lines
              .map(
                (message) => `{"create":{}}\n${JSON.stringify({ message, "@timestamp": nowMs })}\n`,
              )
              .join(""),
          ),
        journal: () =>
          post(
            `http://127.0.0.1:${journal}/upload`,
            "application/vnd.fdo.journal",
            lines
              .map((line) => `__REALTIME_TIMESTAMP=${nowMs}000\n_HOSTNAME=vm\nMESSAGE=${line}\n\n`)
              .join(""),
          ),
      };
      if (await bodies[kind]().catch(() => false)) answered[kind] += LINES;
    };
    for (let round = 0; round < ROUNDS; round++) {
      await using finch = await startFinch(data, ports, flags);
      // A sender of syslog that is cut has no answer to hold anybody to; it must do no harm.
      const socket = connect(syslog, "127.0.0.1");
      socket.on("error", () => {});
      socket.write("<13>1 - h a - - - half of a mess");
      const kinds = Object.keys(answered) as (keyof typeof answered)[];
      for (let push = 0; push < PUSHES; push++)
        await Promise.all(kinds.map((kind) => send(kind, finch)));
      // And some that are on their way.
      const late = kinds.map((kind) => send(kind, finch));
      finch.child.kill("SIGKILL");
      await once(finch.child, "exit");
      await Promise.all(late);
      socket.destroy();
    }
    await using finch = await startFinch(data, ports, flags);
    const found = {
      loki: await count(finch, '{way="loki"}'),
      otlp: await count(finch, '{service_name="otlp"}'),
      elastic: await count(finch, '{index="kill"}'),
      journal: await count(finch, '{job="systemd-journal"}'),
    };
    for (const kind of Object.keys(answered) as (keyof typeof answered)[]) {
      assert.ok(answered[kind] >= ROUNDS * PUSHES * LINES, `${kind}: ${answered[kind]} answered`);
      // What was on its way may be there without an answer.
      const unanswered = found[kind] - answered[kind];
      assert.ok(
        unanswered >= 0 && unanswered <= ROUNDS * LINES,
        `${kind}: ${found[kind]} of ${answered[kind]}`,
      );
    }
    // The first push of all went to streams, later ones to metadata.
    assert.equal(await count(finch, `{way="loki", user="loki ${LINES}"}`), 1);
    assert.equal(await count(finch, '{way="loki", user=~"loki .+"}'), found.loki);
    const reply = await fetch(`${finch.lokiUrl}/api/v1/logs/demoted_labels`);
    assert.match(await reply.text(), /"name":"user"/);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
