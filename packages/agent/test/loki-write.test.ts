import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { nodeFileSystem, silentLogger } from "@finch/runtime";
import { write } from "../src/components/loki/write.ts";
import type { LogEntry } from "../src/receivers.ts";
import { openDurableQueue } from "../src/durable-queue.ts";
import { startComponent, temporaryDirectory } from "./component-harness.ts";
import type { ToldDrop } from "./component-harness.ts";
import { startLoki } from "./loki-server.ts";

const NEVER = new AbortController().signal;

function entryOf(line: string, labels: Record<string, string> = { app: "x" }): LogEntry {
  return {
    labels: Labels.fromObject(labels),
    timestampNs: BigInt(Date.now()) * 1_000_000n,
    line,
    structuredMetadata: Labels.EMPTY,
  };
}

function argumentsFor(url: string, changes: object = {}) {
  const endpoint = {
    url,
    name: "test",
    batch_size: 1 << 20,
    batch_wait: 1,
    remote_timeout: 5000,
    tenant_id: "",
    headers: {},
    min_backoff_period: 1,
    max_backoff_period: 20,
    max_backoff_retries: undefined,
    retry_on_http_429: true,
    follow_redirects: true,
    ...changes,
  };
  return {
    endpoint: [endpoint],
    external_labels: { host: "h" },
    max_streams: 0,
    wal: { enabled: true },
  } as never;
}

/** Of a series, as the harness keys it. */
function labelsOf(loki: { readonly url: string }, more: object = {}): string {
  return JSON.stringify({ host: new URL(loki.url).host, tenant: "", ...more });
}

describe("loki.write", () => {
  test("entries arrive by stream, with external labels, without internal ones", async () => {
    await using loki = await startLoki(() => ({ status: 204 }));
    await using directory = await temporaryDirectory();
    await using component = startComponent(write, argumentsFor(loki.url), directory.path);
    await component.exports.receiver.append(
      [entryOf("1"), entryOf("2", { app: "y", host: "own", __path__: "/p" })],
      NEVER,
    );
    await loki.until(() => loki.received.length === 2);
    assert.deepEqual(
      loki.received.map(({ stream, line }) => [stream, line]),
      [
        ['{app="x", host="h"}', "1"],
        ['{app="y", host="own"}', "2"],
      ],
    );
  });
  test("5xx, 429 and a refused connection are tried again until the server takes the entries", async () => {
    const answers = [500, 429, 503];
    await using loki = await startLoki((n) => ({
      status: answers[n] ?? 204,
      headers: { "Retry-After": "0" },
    }));
    await using directory = await temporaryDirectory();
    await using component = startComponent(write, argumentsFor(loki.url), directory.path);
    await component.exports.receiver.append([entryOf("kept")], NEVER);
    await loki.until(() => loki.received.length === 1);
    assert.equal(loki.requests(), 4);
    assert.equal(component.counters.get(`loki_write_batch_retries_total${labelsOf(loki)}`), 3);
  });
  test("another 4xx drops the batch, counts it, and goes on with the next", async () => {
    await using loki = await startLoki((n) => ({
      status: n === 0 ? 400 : 204,
      body: "entry too far behind",
    }));
    await using directory = await temporaryDirectory();
    await using component = startComponent(write, argumentsFor(loki.url), directory.path);
    await component.exports.receiver.append([entryOf("bad")], NEVER);
    await loki.until(() => loki.requests() === 1);
    await component.exports.receiver.append([entryOf("good")], NEVER);
    await loki.until(() => loki.received.length === 1);
    assert.equal(loki.received[0]!.line, "good");
    assert.equal(
      component.counters.get(
        `loki_write_dropped_entries_total${labelsOf(loki, { reason: "ingester_error" })}`,
      ),
      1,
    );
    const [{ place, amount, samples }] = component.drops as [ToldDrop];
    assert.deepEqual([place, amount], [{ kind: "lines", reason: "ingester_error" }, 1]);
    assert.match(samples[0]!.text, /entry too far behind/);
  });
  test("a refused batch is split until only the entries that are refused are given up", async () => {
    const bad = new Set(["line 3", "line 17"]);
    await using loki = await startLoki((_, entries) =>
      entries.some(({ line }) => bad.has(line))
        ? { status: 400, body: "entry too far behind" }
        : { status: 204 },
    );
    await using directory = await temporaryDirectory();
    await using component = startComponent(write, argumentsFor(loki.url), directory.path);
    const entries = Array.from({ length: 40 }, (_, index) =>
      entryOf(`line ${index}`, { app: index % 2 === 0 ? "a" : "b" }),
    );
    await component.exports.receiver.append(entries, NEVER);
    await loki.until(() => loki.received.length === 38);
    assert.deepEqual(
      loki.received.map(({ line }) => line).toSorted(),
      entries
        .map(({ line }) => line)
        .filter((line) => !bad.has(line))
        .toSorted(),
    );
    const dropped = `loki_write_dropped_entries_total${labelsOf(loki, { reason: "ingester_error" })}`;
    while (component.counters.get(dropped) !== 2) await new Promise(setImmediate);
    assert.ok(loki.requests() < 30);
  });
  test("a server that wants nothing is not asked for ever", async () => {
    await using loki = await startLoki((_, entries) => ({
      status: entries.some(({ line }) => line === "good") ? 204 : 422,
    }));
    await using directory = await temporaryDirectory();
    await using component = startComponent(write, argumentsFor(loki.url), directory.path);
    await component.exports.receiver.append(
      Array.from({ length: 3000 }, (_, index) => entryOf(`line ${index}`)),
      NEVER,
    );
    const dropped = `loki_write_dropped_entries_total${labelsOf(loki, { reason: "ingester_error" })}`;
    while (component.counters.get(dropped) !== 3000) await new Promise(setImmediate);
    await component.exports.receiver.append([entryOf("good")], NEVER);
    await loki.until(() => loki.received.length === 1);
    assert.ok(loki.requests() < 300);
  });
  test("a wrong password costs no entries", async () => {
    await using loki = await startLoki((n) => ({ status: [401, 403, 404][n] ?? 204 }));
    await using directory = await temporaryDirectory();
    await using component = startComponent(write, argumentsFor(loki.url), directory.path);
    await component.exports.receiver.append([entryOf("kept")], NEVER);
    await loki.until(() => loki.received.length === 1);
    assert.equal(loki.requests(), 4);
  });
  test("what was taken while the server was away is sent by the next run", async () => {
    await using directory = await temporaryDirectory();
    {
      await using component = startComponent(
        write,
        argumentsFor("http://127.0.0.1:1/loki/api/v1/push"),
        directory.path,
      );
      for (let i = 0; i < 10; i++)
        await component.exports.receiver.append([entryOf(`line ${i}`)], NEVER);
    }
    await using loki = await startLoki(() => ({ status: 204 }));
    await using component = startComponent(write, argumentsFor(loki.url), directory.path);
    assert.equal(component.exports.receiver.owner, "loki.write.test");
    await loki.until(() => loki.received.length === 10);
    assert.deepEqual(
      loki.received.map(({ line }) => line),
      Array.from({ length: 10 }, (_, i) => `line ${i}`),
    );
  });
  test("the tenant of an entry wins over the endpoint's", async () => {
    await using loki = await startLoki(() => ({ status: 204 }));
    await using directory = await temporaryDirectory();
    await using component = startComponent(
      write,
      argumentsFor(loki.url, { tenant_id: "all" }),
      directory.path,
    );
    await component.exports.receiver.append(
      [entryOf("1"), entryOf("2", { app: "x", __tenant_id__: "one" })],
      NEVER,
    );
    await loki.until(() => loki.received.length === 2);
    assert.deepEqual(
      new Map(loki.received.map(({ line, tenant }) => [line, tenant])),
      new Map([
        ["1", "all"],
        ["2", "one"],
      ]),
    );
  });
  test("a record of a newer version is left out and counted, the ones behind it are sent", async () => {
    await using loki = await startLoki(() => ({ status: 204 }));
    await using directory = await temporaryDirectory();
    {
      const signal = NEVER;
      await using queue = await openDurableQueue({
        directory: directory.path,
        fileSystem: nodeFileSystem,
        log: silentLogger,
        bytesMax: 1 << 20,
        senders: ["test"],
      });
      await queue.push(Uint8Array.of(99, 0, 0, 0, 0, 0, 0, 0, 0, 0), signal);
    }
    await using component = startComponent(write, argumentsFor(loki.url), directory.path);
    await component.exports.receiver.append([entryOf("good")], NEVER);
    await loki.until(() => loki.received.length === 1);
    assert.equal(
      component.counters.get('loki_write_unreadable_records_total{"endpoint":"test"}'),
      1,
    );
  });
  test("streams beyond max_streams are dropped and counted, the others are sent", async () => {
    await using loki = await startLoki(() => ({ status: 204 }));
    await using directory = await temporaryDirectory();
    const values = { ...(argumentsFor(loki.url) as object), max_streams: 1 } as never;
    await using component = startComponent(write, values, directory.path);
    await component.exports.receiver.append([entryOf("1"), entryOf("2", { app: "y" })], NEVER);
    await loki.until(() => loki.received.length === 1);
    assert.equal(
      component.counters.get(
        'loki_write_dropped_entries_total{"host":"","tenant":"","reason":"stream_limited"}',
      ),
      1,
    );
  });
});
