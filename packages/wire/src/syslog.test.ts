import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { DEFAULT_LOKI_PUSH_LIMITS } from "./limits.ts";
import { LogEntryGroups } from "./log-entry-groups.ts";
import { addSyslogMessage } from "./syslog-entry.ts";
import { SyslogFraming } from "./syslog-framing.ts";
import { parseSyslogMessage } from "./syslog-message.ts";

const NOW_MS = Date.parse("2026-11-20T18:11:00Z");
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const LOCAL_NS = BigInt(new Date(2026, 10, 20, 18, 10, 39).getTime()) * 1_000_000n;

/** What a message says, without what it does not say. */
function read(text: string): Record<string, unknown> {
  const { line, timeNs, facility, severity, ...rest } = parseSyslogMessage(bytesOf(text), NOW_MS);
  const given = Object.entries(rest).filter(
    ([name, value]) => name !== "isWholeSecond" && (value as string).length > 0,
  );
  return {
    line: textOf(line),
    priority: facility * 8 + severity,
    timeNs,
    ...Object.fromEntries(given),
  };
}

const ROWS: readonly [rule: string, message: string, expected: Record<string, unknown>][] = [
  [
    "RFC 5424, structured data with escapes",
    '<155>1 2026-11-20T18:10:39.881877+01:00 vm app 123 ID47 [timeQuality tzKnown="1"][zoo@123 tiger="h\\"u\\]n ü" b=""] it \u00e9',
    {
      line: "it é",
      priority: 155,
      timeNs: 1_795_194_639_881_877_000n,
      host: "vm",
      app: "app",
      processId: "123",
      messageId: "ID47",
      data: ["timeQuality", "tzKnown", "1", "zoo@123", "tiger", 'h"u]n ü', "zoo@123", "b", ""],
    },
  ],
  [
    "RFC 5424 with nothing but a message, behind a BOM",
    "<34>1 - - - - - - \ufeffhi",
    { line: "hi", priority: 34, timeNs: undefined },
  ],
  [
    "RFC 5424 without a message",
    '<34>1 - h a - - [x y="z"]',
    { line: "", priority: 34, timeNs: undefined, host: "h", app: "a", data: ["x", "y", "z"] },
  ],
  [
    "RFC 5424 with data that is not closed",
    '<34>1 - h a - - [x y="z hi',
    { line: '[x y="z hi', priority: 34, timeNs: undefined, host: "h", app: "a" },
  ],
  [
    "RFC 3164",
    "<13>Nov 20 18:10:39 vm fromrs[42]: via rsyslog 1\n",
    {
      line: "via rsyslog 1",
      priority: 13,
      timeNs: LOCAL_NS,
      host: "vm",
      app: "fromrs",
      processId: "42",
    },
  ],
  [
    "RFC 3164 without a host",
    "<13>Nov 20 18:10:39 root: hi",
    { line: "hi", priority: 13, timeNs: LOCAL_NS, app: "root" },
  ],
  [
    "RFC 3164 without a tag",
    "<13>Nov  2 01:02:03 vm just words",
    {
      line: "just words",
      priority: 13,
      timeNs: BigInt(new Date(2026, 10, 2, 1, 2, 3).getTime()) * 1_000_000n,
      host: "vm",
    },
  ],
  [
    "rsyslog's own format: RFC 3339 in RFC 3164",
    "<13>2026-11-20T18:10:39.5+00:00 vm app: hi",
    { line: "hi", priority: 13, timeNs: 1_795_198_239_500_000_000n, host: "vm", app: "app" },
  ],
  [
    "a router's, with year and fraction",
    "<189>Nov 20 2026 18:10:39.123: %SYS-5-CONFIG_I: Configured",
    { line: "Configured", priority: 189, timeNs: LOCAL_NS + 123_000_000n, app: "%SYS-5-CONFIG_I" },
  ],
  [
    "December comes before January",
    "<13>Dec 31 23:59:59 vm a: x",
    {
      line: "x",
      priority: 13,
      timeNs: BigInt(new Date(2026, 11, 31, 23, 59, 59).getTime()) * 1_000_000n,
      host: "vm",
      app: "a",
    },
  ],
  ["no priority", "what is this", { line: "what is this", priority: 13, timeNs: undefined }],
  ["a priority that is none", "<999>x", { line: "<999>x", priority: 13, timeNs: undefined }],
  ["nothing", "", { line: "", priority: 13, timeNs: undefined }],
];

for (const [rule, message, expected] of ROWS) {
  void test(`message: ${rule}`, () => assert.deepEqual(read(message), expected));
}

void test("message: lines are bytes, and no bytes are refused", () => {
  const odd = Buffer.concat([
    Buffer.from("<13>Nov 20 18:10:39 vm a: "),
    Buffer.from("00ff80", "hex"),
    Buffer.from("x"),
  ]);
  assert.deepEqual(Buffer.from(parseSyslogMessage(odd, NOW_MS).line).toString("hex"), "00ff8078");
  const head = '<13>1 2026-11-20T18:10:39Z vm app 1 ID [a b="c"] ';
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(head.length), (bytes, cut) => {
      parseSyslogMessage(
        new Uint8Array(Buffer.concat([Buffer.from(head.slice(0, cut)), bytes])),
        NOW_MS,
      );
    }),
  );
});

void test("framing: both kinds, touching, cut at every byte", () => {
  const stream = bytesOf("5 <1>ab<2>one\n\n3 x\ny12 <3>12 in it\n<4>two\0" + "9z is no count\n");
  const expected = [
    "<1>ab",
    "<2>one",
    "x\ny",
    "<3>12 in it\n".slice(0, 12),
    "<4>two",
    "9z is no count",
  ];
  for (let size = 1; size <= stream.length; size++) {
    const framing = new SyslogFraming(1000);
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += size)
      found.push(...framing.push(stream.slice(at, at + size)).map(textOf));
    assert.deepEqual(found, expected, `in pieces of ${size}`);
    assert.deepEqual(framing.finish(), []);
  }
});

void test("framing: messages over the limit are passed over and counted, the next is read", () => {
  const long = "x".repeat(50);
  for (const size of [1, 7, 1000]) {
    const stream = bytesOf(`50 ${long}<1>a\n<2>${long}\n2 ok999999999 ${long}`);
    const framing = new SyslogFraming(20);
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += size)
      found.push(...framing.push(stream.slice(at, at + size)).map(textOf));
    assert.deepEqual([found, framing.oversized], [["<1>a", "ok"], 3]);
    assert.deepEqual(framing.finish(), []);
  }
  const framing = new SyslogFraming(20);
  framing.push(bytesOf("<1>last words"));
  assert.deepEqual(framing.finish().map(textOf), ["<1>last words"]);
  framing.push(bytesOf("10 <1>half"));
  assert.deepEqual(framing.finish(), []);
});

const nowNs = BigInt(NOW_MS) * 1_000_000n;
const receipt = (number: number) => ({
  peer: "10.0.0.1",
  nowNs,
  oldestNs: nowNs - 86_400_000_000_000n,
  newestNs: nowNs + 600_000_000_000n,
  number,
});

void test("entries: labels, metadata, times", () => {
  const groups = new LogEntryGroups();
  for (const [i, message] of [
    '<155>1 2026-11-20T18:10:39.881877Z vm app 123 ID [zoo@123 tiger="hungry"] one',
    "<13>Nov 20 18:10:39 vm app: two",
    "<13>Nov 20 18:10:39 vm app: two",
    "<13>1 1999-01-01T00:00:00Z - - - - - old",
  ].entries())
    addSyslogMessage(groups, parseSyslogMessage(bytesOf(message), NOW_MS), receipt(i));
  const { batch } = groups.build(DEFAULT_LOKI_PUSH_LIMITS);
  const [vm, peer] = batch.streams;
  assert.deepEqual(vm!.labels.toObject(), { job: "syslog", host: "vm", app: "app" });
  assert.deepEqual(
    [...vm!.entries.timestampsNs],
    [1_795_198_239_881_877_000n, LOCAL_NS + 1n, LOCAL_NS + 2n],
  );
  assert.deepEqual(vm!.entries.metadataSets[vm!.entries.metadataOf[0]!]!.toObject(), {
    facility: "local3",
    severity: "error",
    detected_level: "error",
    proc_id: "123",
    msg_id: "ID",
    connection_ip_address: "10.0.0.1",
    sd_zoo_123_tiger: "hungry",
  });
  assert.deepEqual(peer!.labels.toObject(), { job: "syslog", host: "10.0.0.1" });
  assert.equal(peer!.entries.timestampsNs[0], nowNs + 3n);
  assert.equal(peer!.entries.metadataSets[1]!.get("syslog_timestamp"), "915148800000000000");
});

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const CAPTURES = join(SHARED, "captures", "syslog");
const skip =
  !existsSync(CAPTURES) && "no captures here: set FINCH_SHARED to the folder that has them";

void test("what logger and rsyslog sent", { skip }, () => {
  const file = (name: string) => new Uint8Array(readFileSync(join(CAPTURES, name)));
  const lines = (messages: readonly Uint8Array[]) =>
    messages.map((one) => textOf(parseSyslogMessage(one, NOW_MS).line));
  const tcp = (name: string) => {
    const framing = new SyslogFraming(10_000);
    return lines([...framing.push(file(name)), ...framing.finish()]);
  };
  assert.deepEqual(lines([file("0001-udp.raw"), file("0002-udp.raw")]), [
    "udp 3164 é",
    "udp 5424 with sd",
  ]);
  assert.deepEqual(tcp("0003-tcp.raw"), ["tcp octet"]);
  assert.deepEqual(tcp("0004-tcp.raw"), ["tcp newline"]);
  assert.deepEqual(tcp("0005-tcp.raw"), ["l1", "l2"]);
  assert.deepEqual(tcp("0006-tcp.raw"), [" via rsyslog 1", " via rsyslog 2"]);
  assert.deepEqual(tcp("0007-tls.raw"), [" via rsyslog 1", " via rsyslog 2"]);
});
