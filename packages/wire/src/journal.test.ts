import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FinchError } from "@finch/runtime";
import fc from "fast-check";
import { addJournalEntry } from "./journal-entry.ts";
import { JournalExportReader } from "./journal-export.ts";
import type { JournalEntry } from "./journal-export.ts";
import { DEFAULT_LOKI_PUSH_LIMITS } from "./limits.ts";
import { LogEntryGroups } from "./log-entry-groups.ts";

const LIMITS = { fieldBytesMax: 1000, fieldsPerEntryMax: 40, entryBytesMax: 5000 };
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const binary = (name: string, value: string) => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return `${name}\n${length.toString("latin1")}${value}\n`;
};

function readAll(text: string, size = Infinity, limits = LIMITS): JournalEntry[] {
  const reader = new JournalExportReader(limits);
  const bytes = bytesOf(text);
  const entries: JournalEntry[] = [];
  for (let at = 0; at < bytes.length; at += size)
    entries.push(...reader.push(bytes.slice(at, at + size)));
  return [...entries, ...reader.finish()];
}

const shown = (entries: readonly JournalEntry[]) =>
  entries.map(({ fields, omitted }) => [
    ...fields.map(({ name, value }) => `${name}=${Buffer.from(value).toString("latin1")}`),
    ...omitted.map((name) => `-${name}`),
  ]);

const STREAM = `__CURSOR=c1\n__REALTIME_TIMESTAMP=1795198239000001\nMESSAGE=one=1\nPRIORITY=3\n\n\n${binary("MESSAGE", "two\nlines\0=\xff")}_HOSTNAME=vm\nEMPTY=\n\nMESSAGE=last\n`;

void test("export: text and binary fields, cut at every byte", () => {
  for (let size = 1; size <= STREAM.length; size++)
    assert.deepEqual(
      shown(readAll(STREAM, size)),
      [
        ["__CURSOR=c1", "__REALTIME_TIMESTAMP=1795198239000001", "MESSAGE=one=1", "PRIORITY=3"],
        ["MESSAGE=two\nlines\0=\xff", "_HOSTNAME=vm", "EMPTY="],
        ["MESSAGE=last"],
      ],
      `in pieces of ${size}`,
    );
});

void test("export: fields over a limit are passed over and named", () => {
  const long = "x".repeat(1001);
  const many = Array.from({ length: 50 }, (_, i) => `F${i}=v\n`).join("");
  for (const size of [1, 100, Infinity]) {
    const [first, second, third] = shown(
      readAll(`A=1\nLONG=${long}\n${binary("CORE", long)}B=2\n\n${many}\nC=3\n`, size),
    );
    assert.deepEqual(first, ["A=1", "B=2", "-LONG", "-CORE"]);
    assert.equal(second!.length, 50);
    assert.equal(second!.at(-1), "-F49");
    assert.deepEqual(third, ["C=3"]);
  }
});

const REFUSED: readonly [rule: string, stream: string, message: RegExp][] = [
  ["no field's name", "A=1\nB C=2\n", /"B C" at byte 4 of the journal export is no field's name/],
  ["a name without an end", "N".repeat(200), /name at byte 0 of the journal export is too long/],
  [
    "an absurd length",
    "A\n\xff\xff\xff\xff\xff\xff\xff\xff",
    /the length of A at byte 2 .* is no length/,
  ],
  [
    "no newline behind a value",
    binary("A", "xy").slice(0, -1) + "z",
    /no newline behind A at byte 12/,
  ],
  ["cut inside of a field", "A=1\nMESS", /cut off at byte 8/],
  ["cut inside of a value", binary("A", "xyz").slice(0, -2), /cut off/],
];

for (const [rule, stream, message] of REFUSED) {
  void test(`refused: ${rule}`, () => {
    for (const size of [1, 3, Infinity]) assert.throws(() => readAll(stream, size), message);
  });
}

void test("random and damaged streams are faults, never other errors", () => {
  const good = bytesOf(STREAM);
  fc.assert(
    fc.property(fc.nat(good.length), fc.uint8Array({ maxLength: 30 }), (at, bytes) => {
      try {
        readAll(
          Buffer.concat([good.subarray(0, at), bytes, good.subarray(at)]).toString("latin1"),
          7,
        );
      } catch (error) {
        assert.ok(error instanceof FinchError && error.kind === "invalid", String(error));
      }
    }),
  );
});

void test("entries: labels, metadata, and what there is no room for", () => {
  const groups = new LogEntryGroups();
  const stream = `__REALTIME_TIMESTAMP=1795198239000001\n_HOSTNAME=vm\n_SYSTEMD_UNIT=nginx.service\nSYSLOG_IDENTIFIER=nginx\nPRIORITY=4\nSYSLOG_FACILITY=3\nPID=1\n_PID=42\n_TRANSPORT=stdout\nMESSAGE=hi\nCODE_FILE=a.c\n\nCODE_FILE=b.c\n`;
  for (const entry of readAll(stream))
    addJournalEntry(groups, entry, { limits: DEFAULT_LOKI_PUSH_LIMITS, nowNs: 7n });
  const { batch } = groups.build(DEFAULT_LOKI_PUSH_LIMITS);
  const [nginx, bare] = batch.streams;
  assert.deepEqual(nginx!.labels.toObject(), {
    job: "systemd-journal",
    host: "vm",
    unit: "nginx.service",
    app: "nginx",
  });
  assert.equal(nginx!.entries.timestampsNs[0], 1_795_198_239_000_001_000n);
  assert.equal(Buffer.from(nginx!.entries.lines).toString(), "hi");
  assert.deepEqual(nginx!.entries.metadataSets[1]!.toObject(), {
    detected_level: "warn",
    facility: "daemon",
    priority: "4",
    pid: "42",
    transport: "stdout",
    code_file: "a.c",
    journal_fields_omitted: "1",
  });
  assert.deepEqual(
    [bare!.entries.timestampsNs[0], Buffer.from(bare!.entries.lines).toString()],
    [7n, '{"CODE_FILE":"b.c"}'],
  );
});

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const FILE = join(SHARED, "captures", "journal", "o-export.txt");
const skip = !existsSync(FILE) && "no captures here: set FINCH_SHARED to the folder that has them";

void test("what journalctl -o export wrote is read whole", { skip }, () => {
  const bytes = readFileSync(FILE);
  const entries = readAll(bytes.toString("latin1"), 1000, {
    fieldBytesMax: 1 << 20,
    fieldsPerEntryMax: 1000,
    entryBytesMax: 1 << 21,
  });
  const cursors = bytes.toString("latin1").match(/^__CURSOR=/gm)!;
  assert.equal(entries.length, cursors.length);
  assert.ok(
    entries.every(
      ({ fields, omitted }) =>
        omitted.length === 0 && fields.some(({ name }) => name === "__REALTIME_TIMESTAMP"),
    ),
  );
});
