import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { escapeName } from "./event.ts";
import { StatsdLineParser, type TagStyles } from "./line-parser.ts";

const ALL: TagStyles = { dogstatsd: true, influxdb: true, librato: true, signalfx: true };

/** Events as `type name value tags`, then what was counted as wrong. */
function parse(line: string, styles: TagStyles = ALL): string[] {
  const wrong: string[] = [];
  const parser = new StatsdLineParser(styles, {
    sample: () => {},
    sampleError: (reason) => void wrong.push(`! ${reason}`),
    tags: () => {},
    tagError: () => void wrong.push("! tag"),
  });
  const events = parser.parse(line).map(({ type, name, value, isRelative, tags }) => {
    const shown = Object.entries(tags).map(([key, text]) => `${key}=${text}`);
    return [type, name, isRelative ? `relative ${value}` : value, ...shown].join(" ");
  });
  return [...events, ...wrong];
}

void describe("lines of StatsD", () => {
  const cases: readonly (readonly [line: string, ...expected: string[]])[] = [
    ["foo:2|c", "counter foo 2"],
    ["foo:3|g", "gauge foo 3"],
    ["foo:-3|g", "gauge foo relative -3"],
    ["foo:+1.5|g", "gauge foo relative 1.5"],
    ["foo:200|ms", "observer foo 0.2"],
    ["foo:200|h", "observer foo 200"],
    ["foo:200|d", "observer foo 200"],
    ["foo:1e3|c", "counter foo 1000"],
    ["foo:2|c|@0.5", "counter foo 4"],
    ["foo:2|g|@0.5", "gauge foo 2"],
    ["foo:10|ms|@0.5", "observer foo 0.01", "observer foo 0.01"],
    ["foo:1|c:2|c:3|g", "counter foo 1", "counter foo 2", "gauge foo 3"],
    ["foo:1:2:3|ms", "observer foo 0.001", "observer foo 0.002", "observer foo 0.003"],
    ["foo:1|c|#a:b,c.d:e f", "counter foo 1 a=b c_d=e f"],
    ["foo:1|c|#a:b,#c:d", "counter foo 1 a=b c=d"],
    ["foo:1|c|@0.5|#a:b", "counter foo 2 a=b"],
    ["foo:1|c|#url:http://x", "counter foo 1 url=http://x"],
    ["foo:1|c|#a:b|c:83c0a99c|T1656581400", "counter foo 1 a=b container_id=83c0a99c"],
    ["foo:1|c|c:83c0a99c", "counter foo 1 container_id=83c0a99c"],
    ["foo,a=b,c=d:1|c", "counter foo 1 a=b c=d"],
    ["foo#a=b:1|c", "counter foo 1 a=b"],
    ["foo.[a=b,c=d]bar:1|c", "counter foo.bar 1 a=b c=d"],
    ["foo:1|c|#a:b,", "counter foo 1 a=b"],
    ["foo:1|c|#a,b:c,:d,e:", "counter foo 1 b=c", "! tag", "! tag", "! tag"],
    ["foo[a=b:1|c", "counter foo[a=b 1", "! tag"],
    ["foo,a=b:1|c|#c:d", "! mixed_tagging_styles"],
    ["foo", "! malformed_line"],
    [":1|c", "! malformed_line"],
    ["f\ufffd:1|c", "! malformed_line"],
    ["foo:1", "! not_enough_parts_after_colon"],
    ["foo:x|c", "! malformed_value"],
    ["foo:|c", "! malformed_value"],
    ["foo:1|", "! malformed_component"],
    ["foo:1|c||@1", "! malformed_component"],
    ["foo:1:2|c", "! invalid_extended_aggregate_type"],
    ["foo:1|s", "! illegal_event"],
    ["foo:1|c|@x", "counter foo 1", "! invalid_sample_factor"],
    ["foo:1|c|what", "! invalid_sample_factor"],
    ["foo:1|c|#a:b|c:", "! malformed_container_id"],
    ["foo:1|c:bad", "counter foo 1", "! malformed_component"],
    [""],
  ];
  for (const [line, ...expected] of cases)
    void test(JSON.stringify(line), () => assert.deepEqual(parse(line), expected));

  void test("styles that are turned off are part of the name, or left out", () => {
    const none = { dogstatsd: false, influxdb: false, librato: false, signalfx: false };
    assert.deepEqual(parse("foo,a=b:1|c", none), ["counter foo,a=b 1"]);
    assert.deepEqual(parse("foo[a=b]:1|c", none), ["counter foo[a=b] 1"]);
    assert.deepEqual(parse("foo:1|c|#a:b", none), ["counter foo 1"]);
  });

  void test("names as Prometheus has them", () => {
    const names = ["a.b-c", "web--app.x", "1st", "é.a", "a___b", ""];
    assert.deepEqual(names.map(escapeName), ["a_b_c", "web_app_x", "_1st", "__a", "a___b", ""]);
  });
});
