/** Live tails under load: what a client that does not read costs, what it is told, and how a tail ends. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { FinchError } from "@finch/runtime";
import { ns, openApi, openTail, push } from "./logs-api.ts";
import type { Frame } from "./logs-api.ts";

const HANDSHAKE = [
  "connection: Upgrade",
  "upgrade: websocket",
  "sec-websocket-version: 13",
  "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
].join("\r\n");

/** A tail of which the test decides when it reads: `WebSocket` reads all the time. */
async function openIdleTail(port: number, query: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  const path = `/loki/api/v1/tail?query=${encodeURIComponent(query)}`;
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n${HANDSHAKE}\r\n\r\n`);
  let head = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    head += String(chunk);
    if (head.includes("\r\n\r\n")) break;
  }
  assert.match(head, /^HTTP\/1\.1 101 /);
  socket.pause();
  return socket;
}

/** Text frames of a server, which sends them unmasked and whole. */
async function* readFrames(socket: Socket): AsyncGenerator<Frame> {
  let held: Buffer[] = [];
  let size = 0;
  /** Bytes without which there is nothing new to see. */
  let wanted = 2;
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    held.push(chunk);
    size += chunk.length;
    if (size < wanted) continue;
    let bytes = Buffer.concat(held);
    for (wanted = frameBytes(bytes); bytes.length >= wanted; wanted = frameBytes(bytes)) {
      const text = bytes.subarray(payloadAt(bytes), wanted).toString();
      if ((bytes[0]! & 0x0f) === 1) yield JSON.parse(text) as Frame;
      bytes = bytes.subarray(wanted);
    }
    held = [bytes];
    size = bytes.length;
  }
}

function payloadAt(bytes: Buffer): number {
  const short = bytes[1]! & 0x7f;
  return short === 127 ? 10 : short === 126 ? 4 : 2;
}

/** Length of the frame that the bytes begin with, as far as they tell. */
function frameBytes(bytes: Buffer): number {
  if (bytes.length < 2) return 2;
  const at = payloadAt(bytes);
  if (bytes.length < at) return at;
  const length =
    at === 10
      ? Number(bytes.readBigUInt64BE(2))
      : at === 4
        ? bytes.readUInt16BE(2)
        : bytes[1]! & 0x7f;
  return at + length;
}

test("a client that does not read holds nothing up, costs a bounded queue, and is told what it missed", async () => {
  await using api = await openApi("disk");
  const socket = await openIdleTail(api.port, '{job="a"}');
  const line = "x".repeat(100_000);
  const count = 280;
  for (let i = 0; i < count; i += 10) {
    const values = Array.from(
      { length: 10 },
      (_, k) => [ns(900 - i - k), `${i + k} ${line}`] as const,
    );
    const pushed = await push(api, [{ job: "a" }, values]);
    assert.equal(pushed.status, 204, pushed.text);
  }
  // One more than what waits, when there is room again: with it the missing ones are told.
  let received = 0;
  let dropped = 0;
  let last = "";
  for await (const frame of readFrames(socket)) {
    for (const { values } of frame.streams) {
      received += values.length;
      last = values.at(-1)![1]!.slice(0, 4);
    }
    dropped += frame.dropped_entries?.length ?? 0;
    if (received + dropped >= count) break;
  }
  socket.destroy();
  assert.equal(received + dropped, count, `the last that came was ${last}`);
  assert.ok(dropped > 40, `only ${dropped} were dropped`);
});

test("what waits for late lines is not dropped for it", async () => {
  await using api = await openApi("memory", { tailQueueEntriesMax: 100 });
  const tail = openTail(api.port, { query: '{job="a"}', delay_for: "1" });
  await once(tail.socket, "open");
  for (let i = 0; i < 180; i += 30) {
    const values = Array.from({ length: 30 }, (_, k) => [ns(200 - i - k), `l${i + k}`] as const);
    await push(api, [{ job: "a" }, values]);
  }
  await tail.until(() => tail.lines.length >= 180);
  assert.ok(tail.frames.every((frame) => frame.dropped_entries === undefined));
  const closed = once(tail.socket, "close");
  tail.socket.close();
  await closed;
});

test("a tail that fails after it was opened is closed with 1011 and the reason", async () => {
  await using api = await openApi("memory");
  api.failing.readFault = new FinchError("unavailable", "test/away", "the disk is away");
  const tail = openTail(api.port, { query: '{job="a"}' });
  const [closed] = (await once(tail.socket, "close")) as [CloseEvent];
  assert.deepEqual([closed.code, closed.reason], [1011, "the disk is away"]);
});

test("the path of before 2019 sends frames of then", async () => {
  await using api = await openApi("memory");
  const query = new URLSearchParams({ query: '{job="a"}' }).toString();
  const socket = new WebSocket(`ws://127.0.0.1:${api.port}/api/prom/tail?${query}`);
  await once(socket, "open");
  const message = once(socket, "message");
  await push(api, [{ job: "a" }, [[ns(1.5), "line", { detected_level: "info" }]]]);
  const [frame] = (await message) as [MessageEvent];
  assert.deepEqual(JSON.parse(String(frame.data)), {
    streams: [
      {
        labels: '{detected_level="info", job="a", service_name="a"}',
        entries: [{ ts: "2026-11-19T23:59:58.5Z", line: "line" }],
      },
    ],
  });
  const closed = once(socket, "close");
  socket.close();
  await closed;
});

test("who leaves makes room for the next", async () => {
  await using api = await openApi("memory", { tailsMax: 1 });
  for (let i = 0; i < 3; i++) {
    let tail = openTail(api.port, { query: '{job="a"}' });
    // The server hears a moment later that the one before has left.
    while (!(await isAccepted(tail.socket))) tail = openTail(api.port, { query: '{job="a"}' });
    await push(api, [{ job: "a" }, [[ns(10 - i), `line ${i}`]]]);
    await tail.until(() => tail.lines.includes(`line ${i}`));
    const closed = once(tail.socket, "close");
    tail.socket.close();
    await closed;
  }
});

async function isAccepted(socket: WebSocket): Promise<boolean> {
  return await new Promise((resolve) => {
    socket.addEventListener("open", () => resolve(true));
    socket.addEventListener("error", () => resolve(false));
  });
}
