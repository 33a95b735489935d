import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { describe, test } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";
import { GelfAssembler, readGelf } from "../src/components/loki/gelf-message.ts";
import { sourceGelf } from "../src/components/loki/source-gelf.ts";
import { compileRules } from "../src/relabel.ts";
import { collectingReceiver, startComponent, temporaryDirectory } from "./component-harness.ts";
import { noDockerd, startDockerd } from "./docker-daemon.ts";
import { valuesOf } from "./prometheus-harness.ts";

const RULES = compileRules(
  [
    { sourceLabels: ["__gelf_message_host"], targetLabel: "host" },
    { sourceLabels: ["__gelf_message_level"], targetLabel: "level" },
    { sourceLabels: ["__gelf_message_facility"], action: "drop", regex: "noise" },
  ],
  { names: "legacy" },
);

/** The component on a port of its own. */
async function start(changes: object = {}) {
  const receiver = collectingReceiver();
  const values = valuesOf(sourceGelf.arguments, {
    forward_to: [receiver],
    listen_address: "127.0.0.1:0",
    relabel_rules: RULES,
    ...changes,
  });
  const component = startComponent(sourceGelf, values, "/nowhere");
  while (!component.health.message.startsWith("listening on "))
    await new Promise((resolve) => setTimeout(resolve, 5));
  const port = Number(component.health.message.split(":").at(-1));
  const socket = createSocket("udp4");
  return {
    port,
    receiver,
    component,
    async send(...datagrams: (string | Uint8Array)[]) {
      for (const datagram of datagrams)
        await new Promise((resolve) => socket.send(datagram, port, "127.0.0.1", resolve));
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await component[Symbol.asyncDispose]();
    },
  };
}

/** A message in parts of so many bytes. */
function chunksOf(message: Uint8Array, size: number, id: string): Uint8Array[] {
  const count = Math.ceil(message.length / size);
  return Array.from({ length: count }, (_, index) =>
    Buffer.concat([
      Buffer.from([0x1e, 0x0f]),
      Buffer.from(id),
      Buffer.from([index, count]),
      message.subarray(index * size, (index + 1) * size),
    ]),
  );
}

const MESSAGE = {
  version: "1.1",
  host: "web-1",
  short_message: "it <fell> over",
  full_message: "line\nline",
  timestamp: 1767323045.25,
  level: 3,
  facility: "app",
  _user: "u",
  _count: 7,
  unknown: "left out",
};
const LINE =
  '{"version":"1.1","host":"web-1","short_message":"it \\u003cfell\\u003e over","full_message":"line\\nline","timestamp":1767323045.25,"level":3,"facility":"app","_count":7,"_user":"u"}';

describe("loki.source.gelf", () => {
  test("plain, gzip, zlib, and in parts that come in any order", async () => {
    await using gelf = await start({ use_incoming_timestamp: true });
    const json = Buffer.from(JSON.stringify(MESSAGE));
    const parts = chunksOf(gzipSync(json), 40, "abcdefgh");
    await gelf.send(json, gzipSync(json), deflateSync(json), ...parts.toReversed());
    await gelf.receiver.until((entries) => entries.length === 4);
    for (const entry of gelf.receiver.entries) {
      assert.equal(entry.line, LINE);
      assert.equal(entry.timestampNs, 1767323045_250_000_000n);
      assert.deepEqual(entry.labels.toObject(), {
        host: "web-1",
        job: "loki.source.gelf.test",
        level: "error",
      });
    }
    assert.equal(gelf.component.counters.get("gelf_target_entries_total{}"), 4);
  });

  test("what is no message is counted; rules drop; arrival is the time when it is not asked for", async () => {
    await using gelf = await start();
    const noise = JSON.stringify({ ...MESSAGE, facility: "noise" });
    await gelf.send("{", "[]", '{"host":7}', Buffer.from([0x1f, 0x8b, 1]), noise, '{"host":"h"}');
    await gelf.receiver.until((entries) => entries.length === 1);
    const [entry] = gelf.receiver.entries;
    assert.equal(entry!.line, '{"version":"","host":"h","short_message":"","timestamp":0}');
    assert.equal(entry!.labels.get("level"), "emergency");
    assert.ok(Math.abs(Number(entry!.timestampNs / 1_000_000n) - Date.now()) < 60_000);
    assert.equal(gelf.component.counters.get("gelf_target_parsing_errors_total{}"), 4);
  });

  test("an address that is taken is told, and one that is none is refused", async () => {
    await using gelf = await start();
    const values = { forward_to: [], listen_address: `127.0.0.1:${gelf.port}` };
    await using other = startComponent(
      sourceGelf,
      valuesOf(sourceGelf.arguments, values),
      "/nowhere",
    );
    while (other.health.state !== "unhealthy")
      await new Promise((resolve) => setTimeout(resolve, 5));
    assert.match(other.health.message, /cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/);
    const fault = sourceGelf.check!(
      valuesOf(sourceGelf.arguments, { forward_to: [], listen_address: "here" }),
    );
    assert.equal(fault!.at, "listen_address");
  });

  test(
    "the container logs that a real dockerd sends",
    { skip: noDockerd(), timeout: 60_000 },
    async () => {
      await using gelf = await start({ use_incoming_timestamp: true });
      await using directory = await temporaryDirectory();
      await using daemon = await startDockerd(directory.path);
      const script = "echo first; echo second >&2; head -c 12000 /dev/zero | tr '\\0' x; sleep 600";
      await daemon.run("talker", script, {
        HostConfig: {
          NetworkMode: "none",
          LogConfig: {
            Type: "gelf",
            Config: { "gelf-address": `udp://127.0.0.1:${gelf.port}`, tag: "t" },
          },
        },
      });
      await gelf.receiver.until((entries) => entries.length >= 2);
      const messages = gelf.receiver.entries.map(
        ({ line }) => JSON.parse(line) as Record<string, unknown>,
      );
      const first = messages.find((message) => message["short_message"] === "first")!;
      assert.equal(first["_container_name"], "talker");
      assert.equal(first["_tag"], "t");
      assert.equal(first["level"], 6);
      const second = gelf.receiver.entries.find(({ line }) => line.includes('"second"'))!;
      assert.equal(second.labels.get("level"), "error");
      assert.ok(Math.abs(Number(second.timestampNs / 1_000_000n) - Date.now()) < 60_000);
    },
  );
});

describe("parts of messages", () => {
  const message = Buffer.from("0123456789");

  test("a part that comes twice, and messages whose parts are mixed", () => {
    const assembler = new GelfAssembler();
    const [a1, a2] = chunksOf(message, 5, "aaaaaaaa");
    const [b1, b2] = chunksOf(message, 5, "bbbbbbbb");
    assert.equal(assembler.push(a1!, 0), undefined);
    assert.equal(assembler.push(a1!, 1), undefined);
    assert.equal(assembler.push(b2!, 2), undefined);
    assert.equal(String(assembler.push(a2!, 3)), "0123456789");
    assert.equal(String(assembler.push(b1!, 4)), "0123456789");
    assert.equal(assembler.incomplete, 0);
  });

  test("what is not complete within 5 s, or is among too many, is given up", () => {
    const assembler = new GelfAssembler();
    const [first, second] = chunksOf(message, 5, "aaaaaaaa");
    assembler.push(first!, 0);
    assembler.push(chunksOf(message, 5, "bbbbbbbb")[0]!, 5001);
    assert.equal(assembler.incomplete, 1);
    assert.equal(assembler.push(second!, 5002), undefined);
    for (let i = 0; i < 2000; i++)
      assembler.push(chunksOf(message, 5, String(i).padStart(8, "0"))[0]!, 5003);
    assert.ok(assembler.incomplete > 1400, String(assembler.incomplete));
  });

  test("parts that cannot be", () => {
    const part = (index: number, count: number) =>
      Buffer.concat([Buffer.from([0x1e, 0x0f]), Buffer.alloc(8), Buffer.from([index, count])]);
    const assembler = new GelfAssembler();
    for (const bytes of [part(0, 0), part(2, 2), part(0, 129), Buffer.from([0x1e, 0x0f, 1])])
      assert.throws(() => assembler.push(bytes, 0), { code: "agent/gelf" });
  });

  test("a packed message that is too large", () => {
    assert.throws(() => readGelf(gzipSync(Buffer.alloc(4 << 20, 0x20))), /cannot be unpacked/);
  });
});
