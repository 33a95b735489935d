import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { levelOfLabels, levelOfLine, levelOfMetadata } from "./level.ts";

const LINES: readonly [rule: string, line: string, level: string][] = [
  ["JSON field", '{"msg":"x","level":"warn"}', "warn"],
  ["JSON field with spaces around", ' {"level" : "WARNING"} ', "warn"],
  ["JSON at depth 2", '{"log":{"level":"dbg"}}', "debug"],
  ["JSON at depth 3 is too deep", '{"a":{"b":{"level":"warn"}}}', "warn"],
  ["JSON at depth 3 is too deep, and no word", '{"a":{"b":{"level":"wrn"}}}', "unknown"],
  ["JSON key in an array is no field", '[{"level":"wrn"}]', "unknown"],
  ["JSON value that is a number", '{"level":30,"msg":"all good"}', "unknown"],
  ["JSON value that looks like a key", '{"k":"level","v":"wrn"}', "unknown"],
  ["JSON escaped quotes", '{"m":"say \\"level\\":\\"wrn\\"","severity":"inf"}', "info"],
  [
    "JSON with an unknown value falls back to words",
    '{"level":"notice","msg":"an error"}',
    "error",
  ],
  ["logfmt field", "ts=1 level=error msg=x", "error"],
  ["logfmt in any case", "LvL=Information x=1", "info"],
  ["logfmt quoted", 'a="level=debug" level="wrn"', "warn"],
  ["logfmt name must be whole", "mylevel=wrn a=b", "unknown"],
  ["first word wins", "the warning came before the error", "warn"],
  ["whole words only", "terror and information", "unknown"],
  ["in brackets", "[ERROR] it broke", "error"],
  ["err", "ERR: it broke", "error"],
  ["critical stays", "CRITICAL failure", "critical"],
  ["a colon on the left is no word boundary", "the terror of misc:error", "unknown"],
  ["a colon on the left hides its word only", "misc:error and a warning", "warn"],
  ["underscore joins words", "no_error here", "unknown"],
  ["only some marks part words", "/error/ error. error; -error a warning!", "warn"],
  ["in quotes and after an equals sign", `x='fatal' y=1`, "fatal"],
  ["the better name counts", "lvl=dbg severity=wrn level=inf", "info"],
  ["the better name counts though it says nothing", "severity=wrn level=notice", "unknown"],
  ["JSON names with an underscore", '{"SEVERITY_TEXT":"wrn"}', "warn"],
  ["empty", "", "unknown"],
  ["open brace only", "{", "unknown"],
  ["not ASCII", "größe fatal", "fatal"],
];

test("levels of lines", () => {
  for (const [rule, line, level] of LINES) {
    const padded = Buffer.from(`##${line}##`);
    assert.equal(levelOfLine(padded, 2, padded.length - 2), level, rule);
  }
});

test("a line's level takes no look at the lines after it: a push would else cost the square of its lines", () => {
  for (const [rule, line, level] of LINES) {
    const bytes = Buffer.from(line);
    const watched = new Proxy(Buffer.concat([bytes, Buffer.from("  level=error =")]), {
      get(target, name) {
        if (/^\d+$/.test(String(name))) assert.ok(Number(name) <= bytes.length + 1, rule);
        else assert.fail(`${rule}: the whole buffer is asked for ${String(name)}`);
        return target[Number(name)];
      },
    });
    assert.equal(levelOfLine(watched, 0, bytes.length), level, rule);
  }
});

test("levels of labels and metadata", () => {
  const of = (object: Record<string, string>) => Labels.fromObject(object);
  assert.equal(levelOfLabels(of({ job: "x" })), undefined);
  assert.equal(levelOfLabels(of({ severity: "err", level: "INF" })), "info");
  assert.equal(levelOfLabels(of({ level: "Notice" })), "Notice");
  const severities: readonly [string, string][] = [
    ["1", "trace"],
    ["5", "debug"],
    ["12", "info"],
    ["13", "warn"],
    ["20", "error"],
    ["24", "fatal"],
    ["0", "unknown"],
    ["25", "unknown"],
    ["x", "info"],
  ];
  for (const [severity_number, level] of severities) {
    assert.equal(levelOfMetadata(of({ severity_number })), level, severity_number);
  }
  assert.equal(levelOfMetadata(of({ severity_number: "1", SeverityText: "Error" })), "error");
  assert.equal(levelOfMetadata(Labels.EMPTY), undefined);
});
