/** Stages that take events, arrays and patterns apart, and those that take names by a pattern or limit by a label. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { systemClock } from "@finch/runtime";
import { buildPipeline, runPipeline } from "./process.ts";

interface WrittenStage {
  readonly name: string;
  readonly values: object;
}

/** Extracted values are shown through structured metadata of the same name. */
function run(
  stages: readonly WrittenStage[],
  lines: readonly string[],
  labels: Readonly<Record<string, string>> = { app: "x" },
) {
  let nowMs = 0;
  const counts = new Map<string, number>();
  const add = (name: string) => (amount: number) =>
    void counts.set(name, (counts.get(name) ?? 0) + amount);
  const pipeline = buildPipeline(stages, {
    clock: { ...systemClock, monotonicMs: () => nowMs },
    metrics: {
      counter: (name, _help, given = {}) => ({ add: add(`${name}${JSON.stringify(given)}`) }),
      gauge: () => ({ add: () => {}, set: () => {} }),
      histogram: () => ({ observe: () => {} }),
    },
    dropped: (_at, reason, { count }) => add(reason)(count),
  });
  const give = (more: readonly string[]) =>
    runPipeline(
      pipeline,
      more.map((line) => ({
        labels: Labels.fromObject(labels),
        timestampNs: 1n,
        line,
        structuredMetadata: Labels.EMPTY,
      })),
    );
  return {
    out: give(lines),
    give,
    counts,
    pass: (ms: number) => (nowMs += ms),
    held: () => pipeline.held?.release("all") ?? [],
  };
}

const ALL: WrittenStage = {
  name: "structured_metadata",
  values: { values: undefined, regex: "^[^a]" },
};
const message = (text: string): WrittenStage => ({
  name: "json",
  values: {
    expressions: { message: "" },
    source: undefined,
    drop_malformed: false,
    regex: text,
  },
});
const EVENT = { source: "message", drop_invalid_labels: false, overwrite_existing: false };

function extractedBy(stages: readonly WrittenStage[], line: string): Record<string, string> {
  const [entry] = run([...stages, ALL], [line]).out;
  return entry!.structuredMetadata.toObject();
}

describe("stages of loki.process", () => {
  test("eventlogmessage: lines of key and value", () => {
    const line = JSON.stringify({
      message: "Title\r\nLogon Type: 5\r\nUser:a:b\r\nmessage: other\r\n9: digit",
    });
    const { message: whole, ...rest } = extractedBy(
      [message(""), { name: "eventlogmessage", values: EVENT }],
      line,
    );
    assert.ok(whole!.startsWith("Title"));
    assert.deepEqual(rest, {
      Logon_Type: "5",
      User: "a:b",
      _: "digit",
      message_extracted: "other",
    });
    const strict = { ...EVENT, drop_invalid_labels: true, overwrite_existing: true };
    assert.deepEqual(
      extractedBy([message(""), { name: "eventlogmessage", values: strict }], line),
      {
        User: "a:b",
        message: "other",
      },
    );
  });

  test("windowsevent: sections with titles, and values of several lines", () => {
    const text =
      "An account was logged on.\r\n\r\nSubject:\r\n\tSecurity ID:\t\tS-1\r\n\tAccount Name:\t-\r\n\r\nPrivileges:\tSeA\r\n\t\tSeB";
    const { message: _, ...rest } = extractedBy(
      [message(""), { name: "windowsevent", values: EVENT }],
      JSON.stringify({ message: text }),
    );
    assert.deepEqual(rest, {
      Description: "An account was logged on.",
      Privileges: "SeA,SeB",
      Subject_AccountName: "-",
      Subject_SecurityID: "S-1",
    });
  });

  test("pattern: captures, also where the line ends early", () => {
    const values = {
      pattern: "[<ip>] <_> <status> end",
      source: undefined,
      labels_from_groups: true,
    };
    const stage = { name: "pattern", values };
    const [whole, early, none] = run([stage], ["[::1] - 200 end", "[::1] - 200", "x"]).out;
    assert.deepEqual(whole!.labels.toObject(), { app: "x", ip: "::1", status: "200" });
    assert.deepEqual(early!.labels.toObject(), { app: "x", ip: "::1", status: "200" });
    assert.deepEqual(none!.labels.toObject(), { app: "x" });
    for (const pattern of ["no capture", "<_>", "<a><b>", "<a> <a>"])
      assert.throws(() => run([{ name: "pattern", values: { ...values, pattern } }], []), {
        code: "agent/bad-stage",
      });
  });

  test("split_json: elements byte for byte, what is no array as it is", () => {
    const stage = { name: "split_json", values: { source: undefined } };
    const lines = [' [1, {"a" : [2,"],"]},"x\\"," , null]', "[]", "[1,", '{"a":[1]}', "text"];
    assert.deepEqual(
      run([stage], lines).out.map(({ line }) => line),
      ["1", '{"a" : [2,"],"]}', '"x\\","', "null", "[1,", '{"a":[1]}', "text"],
    );
  });

  test("json and logfmt: keys that a pattern finds", () => {
    assert.deepEqual(
      extractedBy([message("^k")], '{"message":"m","k1":1,"k2":{"b":2},"other":"o"}'),
      { k1: "1", k2: '{"b":2}', message: "m" },
    );
    const logfmt = {
      name: "logfmt",
      values: { mapping: { level: "lvl" }, source: undefined, regex: "^k" },
    };
    assert.deepEqual(extractedBy([logfmt], "lvl=info k1=v other=o"), { k1: "v", level: "info" });
    for (const name of ["json", "logfmt"])
      assert.throws(() => run([{ name, values: { regex: "" } }], []), /give names to extract/);
  });

  test("structured_metadata: labels that a pattern finds are labels no more", () => {
    const stage = { name: "structured_metadata", values: { values: undefined, regex: "^pod" } };
    const [entry] = run([stage], ["x"], { app: "x", pod_name: "p" }).out;
    assert.deepEqual(
      [entry!.labels.toObject(), entry!.structuredMetadata.toObject()],
      [{ app: "x" }, { pod_name: "p" }],
    );
  });

  test("limit: a rate for each value of a label", () => {
    const values = {
      rate: 1,
      burst: 2,
      drop: true,
      by_label_name: "app",
      max_distinct_labels: 10_000,
    };
    const { out, give, counts, pass } = run([{ name: "limit", values }], ["1", "2", "3"]);
    assert.equal(out.length, 2);
    pass(1000);
    assert.equal(give(["4", "5"]).length, 1);
    assert.equal(counts.get("ratelimit_drop_stage"), 2);
    assert.equal(
      counts.get('loki_process_dropped_lines_by_label_total{"label_name":"app","label_value":"x"}'),
      2,
    );
    assert.equal(run([{ name: "limit", values }], ["1", "2", "3"], { job: "j" }).out.length, 3);
  });

  test("cri: values, pieces of more streams than allowed, and lines that are cut", () => {
    const values = {
      max_partial_lines: 1,
      max_partial_line_size: 5,
      max_partial_line_size_truncate: true,
    };
    const at = "2023-01-02T03:04:05Z";
    const lines = [
      `${at} stdout P abc`,
      `${at} stderr P x`,
      `${at} stdout F dé`,
      `${at} stderr F yyyyyy`,
    ];
    const { out, counts } = run([{ name: "cri", values }], lines);
    assert.deepEqual(
      out.map(({ line }) => line),
      ["abc", "dé", "xyyyy"],
    );
    assert.equal(counts.get("loki_process_cri_partial_lines_flushed_total{}"), 1);
    assert.equal(counts.get("loki_process_cri_lines_truncated_total{}"), 1);
    const uncut = { ...values, max_partial_line_size_truncate: false };
    const { content, flags, stream, time } = extractedBy(
      [{ name: "cri", values: uncut }],
      `${at} stdout F whole`,
    );
    assert.deepEqual([content, flags, stream, time], ["whole", "F", "stdout", at]);
  });
});

describe("stage.timestamp, times that come again", () => {
  const TIME = {
    source: "t",
    format: "Unix",
    fallback_formats: [],
    location: undefined,
    action_on_failure: "fudge",
    action_on_duplicate_timestamp: "fudge",
  };
  const times = (changes: object, lines: readonly string[]) => {
    const values = { expressions: { t: "" }, source: undefined, drop_malformed: false, regex: "" };
    const stages = [
      { name: "json", values },
      { name: "timestamp", values: { ...TIME, ...changes } },
    ];
    return run(stages, lines).out.map(({ timestampNs }) => Number(timestampNs - 1_000_000_000n));
  };
  const at = (seconds: number) => `{"t":${seconds}}`;

  test("fudge: each a nanosecond behind the one before, until another time comes", () => {
    assert.deepEqual(times({}, [at(1), at(1), at(1), at(2), at(1)]), [0, 1, 2, 1e9, 0]);
  });
  test("fudge goes on from a time that a failure was given", () => {
    assert.deepEqual(times({}, [at(1), "{}", at(1)]), [0, 1, 2]);
  });
  test("fudge with failures skipped: those keep their own time, and change nothing", () => {
    const skipping = { action_on_failure: "skip" };
    assert.deepEqual(times(skipping, [at(1), "{}", at(1)]), [0, 1 - 1e9, 1]);
  });
  test("keep", () => {
    const keeping = { action_on_duplicate_timestamp: "keep" };
    assert.deepEqual(times(keeping, [at(1), at(1), "{}", at(1)]), [0, 0, 1, 0]);
  });
});

test("stage.regex: groups without names, and without a part in the match, and a source that is not there", () => {
  const stage = (expression: string, source?: string): WrittenStage => ({
    name: "regex",
    values: { expression, source, labels_from_groups: false },
  });
  const named = stage(String.raw`(?P<g>\w+)( \[(?P<h>\d+)\])? (x)`);
  assert.deepEqual(extractedBy([named], "id [7] x"), { g: "id", h: "7" });
  assert.deepEqual(extractedBy([named], "id x"), { g: "id" });
  assert.deepEqual(extractedBy([stage("(?P<g>.*)", "none")], "id"), {});
  assert.deepEqual(extractedBy([stage("id")], "id"), {});
});

test("stage.luhn: what skip_regex matches stays, and numbers end there", () => {
  const stage: WrittenStage = {
    name: "luhn",
    values: {
      source: undefined,
      min_length: 13,
      replacement: "***",
      delimiters: "-",
      skip_regex: String.raw`trace=\S+|7$|q*`,
    },
  };
  const out = (line: string) => run([stage], [line]).out[0]!.line;
  assert.equal(out("4539-1488-0343-6467"), "4539-1488-0343-6467", "the last digit is skipped");
  assert.equal(out("4539148803436467 trace=4539148803436467 b"), "*** trace=4539148803436467 b");
});
