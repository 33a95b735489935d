import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { journalLabels, parseJournalLine } from "./journal-entry.ts";
import { journalctlArguments } from "./source-journal.ts";

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../../../shared");
const CAPTURE = join(SHARED, "captures/journal/o-json-all.txt");

function lineOf(fields: object): string {
  return JSON.stringify({
    __CURSOR: "s=1;i=2",
    __REALTIME_TIMESTAMP: "1700000000123456",
    ...fields,
  });
}

describe("journal entry", () => {
  test("message, cursor and time", () => {
    const entry = parseJournalLine(lineOf({ MESSAGE: "hello" }));
    assert.deepEqual(
      [entry.message, entry.cursor, entry.timestampNs],
      ["hello", "s=1;i=2", 1_700_000_000_123_456_000n],
    );
  });
  test("bytes that are no text, a repeated field, a field that is too big", () => {
    const entry = parseJournalLine(
      lineOf({ MESSAGE: [104, 105, 255], A: ["first", "second"], B: null, C: [[104], [105]] }),
    );
    assert.equal(entry.message, "hi\ufffd");
    assert.deepEqual(
      [entry.fields.get("A"), entry.fields.has("B"), entry.fields.get("C")],
      ["first", false, "h"],
    );
  });
  test("fields become internal labels, the priority a word", () => {
    const labels = journalLabels(
      parseJournalLine(lineOf({ MESSAGE: "x", PRIORITY: "3", _SYSTEMD_UNIT: "ssh.service" })),
    );
    assert.equal(labels.get("__journal__systemd_unit"), "ssh.service");
    assert.equal(labels.get("__journal_priority_keyword"), "error");
  });
  test("an entry without a message has none", () =>
    assert.equal(parseJournalLine(lineOf({})).message, undefined));
  test("what is no entry is refused", () => {
    for (const line of ["", "{", "[]", "{}", '{"__CURSOR":"x","__REALTIME_TIMESTAMP":"soon"}']) {
      assert.throws(() => parseJournalLine(line), SyntaxError, line);
    }
  });
  test(
    "every line of a real capture is read",
    { skip: existsSync(CAPTURE) ? false : `${CAPTURE} is not there` },
    () => {
      const lines = readFileSync(CAPTURE, "utf8").trim().split("\n");
      assert.ok(lines.length > 3);
      for (const line of lines) assert.ok(journalLabels(parseJournalLine(line)).size > 3);
    },
  );
});

const CALLS: readonly [
  rule: string,
  values: object,
  cursor: string | undefined,
  wanted: readonly string[],
  unwanted: readonly string[],
][] = [
  [
    "without a cursor it begins max_age ago",
    {},
    undefined,
    ["--since=@996400"],
    ["--after-cursor"],
  ],
  ["with a cursor it goes on behind it", {}, "s=1", ["--after-cursor=s=1"], ["--since"]],
  [
    "only two fields are asked for when nothing needs more",
    {},
    undefined,
    ["--output-fields=MESSAGE,PRIORITY"],
    [],
  ],
  ["rules need all fields", { relabel_rules: [] }, undefined, [], ["--output-fields"]],
  [
    "a directory and matches",
    { path: "/j", matches: "A=1  B=2" },
    undefined,
    ["--directory=/j", "A=1", "B=2"],
    [],
  ],
];

describe("journalctl is called", () => {
  for (const [rule, values, cursor, wanted, unwanted] of CALLS) {
    test(rule, () => {
      const defaults = {
        path: "",
        matches: "",
        max_age: 3_600_000,
        format_as_json: false,
        relabel_rules: undefined,
      };
      const args = journalctlArguments(
        { ...defaults, ...values },
        cursor === undefined ? undefined : { cursor },
        1_000_000_000,
      );
      for (const arg of wanted) assert.ok(args.includes(arg), `${arg} in ${args.join(" ")}`);
      for (const start of unwanted) assert.ok(!args.some((arg) => arg.startsWith(start)), start);
    });
  }
});
