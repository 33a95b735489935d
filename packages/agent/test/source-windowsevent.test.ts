import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  sourceWindowsevent,
  windowsEntry,
  wevtutilArguments,
} from "../src/components/loki/source-windowsevent.ts";
import { parseWindowsEvents } from "../src/windows/event-xml.ts";
import { startComponent, temporaryDirectory } from "./component-harness.ts";

const XML = readFileSync(join(import.meta.dirname, "../testdata/windows-events.xml"), "utf8");

const VALUES = {
  forward_to: [],
  eventlog_name: "System",
  xpath_query: "*",
  bookmark_path: undefined,
  poll_interval: 3000,
  locale: 0,
  exclude_event_data: false,
  exclude_event_message: false,
  exclude_user_data: false,
  use_incoming_timestamp: true,
  labels: { job: "windows" },
};

describe("loki.source.windowsevent", () => {
  const [service, logon, bare] = parseWindowsEvents(XML);
  const lineOf = (event: typeof service, changes: object = {}) =>
    windowsEntry(event!, { ...VALUES, ...changes }, 1n);

  test("a rendered event becomes JSON, key for key", () => {
    const entry = lineOf(service);
    assert.deepEqual(entry.labels.toObject(), {
      channel: "System",
      computer: "web1.example.org",
      job: "windows",
    });
    assert.equal(entry.timestampNs, 1_795_198_153_123_456_700n);
    assert.equal(
      entry.line,
      '{"source":"Service Control Manager","channel":"System","computer":"web1.example.org","event_id":7036,"level":4,"levelText":"Information","keywords":"Classic","timeCreated":"2026-11-20T18:09:13.1234567Z","eventRecordID":10321,"execution":{"processId":604,"threadId":5120},"event_data":"\\u003cData Name=\'param1\'\\u003eWindows Update\\u003c/Data\\u003e\\u003cData Name=\'param2\'\\u003erunning\\u003c/Data\\u003e","message":"The Windows Update service entered the \\"running\\" state \\u0026 waits."}',
    );
  });
  test("correlation, security, several keywords and the System process", () => {
    const parsed = JSON.parse(lineOf(logon).line) as Record<string, unknown>;
    assert.deepEqual(parsed["correlation"], {
      activityID: "{3f1d7c6a-0000-0001-8a1c-1d3f6a7cdc01}",
    });
    assert.deepEqual(parsed["security"], { userId: "S-1-5-18" });
    assert.deepEqual(parsed["execution"], { processId: 4, threadId: 72, processName: "System" });
    assert.equal(parsed["keywords"], "Audit Success,Classic");
    assert.equal(
      parsed["message"],
      "An account was successfully logged on.\n\nSubject:\n\tUser: <SYSTEM>",
    );
    assert.equal(parsed["version"], 2);
  });
  test("an event without rendered texts keeps its mask; user data is as it stands", () => {
    const parsed = JSON.parse(lineOf(bare).line) as Record<string, unknown>;
    assert.equal(parsed["keywords"], "0x8000000000000000");
    assert.match(parsed["user_data"] as string, /^<LogFileCleared xmlns=.*<\/LogFileCleared>$/s);
    assert.equal(parsed["message"], undefined);
  });
  test("parts can be left out, and the time can be that of reading", () => {
    const entry = lineOf(service, {
      exclude_event_data: true,
      exclude_event_message: true,
      use_incoming_timestamp: false,
    });
    const parsed = JSON.parse(entry.line) as Record<string, unknown>;
    assert.equal(parsed["event_data"], undefined);
    assert.equal(parsed["message"], undefined);
    assert.equal(entry.timestampNs, 1n);
  });
  test("events that are cut off are told", () => {
    assert.throws(() => parseWindowsEvents(XML.slice(0, 200)), /<Event> does not end/);
    assert.throws(() => parseWindowsEvents("</Event>"), /not well-formed/);
  });
  test("the log is asked behind the bookmark", () => {
    const values = { eventlog_name: "Application", xpath_query: "*[System[Level=2]]" };
    assert.deepEqual(wevtutilArguments(values, { bookmark: "b.xml", next: "n.xml" }), [
      "query-events",
      "Application",
      "/query:*[System[Level=2]]",
      "/format:RenderedXml",
      "/reversedirection:false",
      "/count:500",
      "/bookmark:b.xml",
      "/savebookmark:n.xml",
    ]);
  });
  test("what is not built is refused by name", () => {
    assert.equal(sourceWindowsevent.check!(VALUES), undefined);
    assert.equal(sourceWindowsevent.check!({ ...VALUES, locale: 1033 })?.at, "locale");
    assert.equal(
      sourceWindowsevent.check!({ ...VALUES, xpath_query: "<QueryList/>" })?.at,
      "xpath_query",
    );
    assert.equal(sourceWindowsevent.check!({ ...VALUES, eventlog_name: "" })?.at, "eventlog_name");
  });
  test(
    "elsewhere it has nothing to do, and says so",
    { skip: process.platform === "win32" ? "this is Windows" : false },
    async () => {
      await using directory = await temporaryDirectory();
      await using component = startComponent(sourceWindowsevent, VALUES, directory.path);
      assert.equal(component.health.state, "healthy");
      assert.match(component.health.message, /^runs on Windows only/);
    },
  );
});
