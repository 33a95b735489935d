/** `otelcol.processor.tail_sampling`: policies in a running agent, and the sampler by itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ResourceSpans } from "@finch/wire";
import type { Decision, NamedPolicy } from "../src/tail-sampling/policies.ts";
import { TailSampler, type SamplerOptions } from "../src/tail-sampling/sampler.ts";
import { TokenBucket } from "../src/tail-sampling/token-bucket.ts";
import { spansOf } from "../src/tail-sampling/trace-buffer.ts";
import { batchOf, startProcessor, toKeyValues } from "./processor-harness.ts";

const MS = 1_000_000;
/** `a` is the trace of ids with only the digit a. */
const idOf = (digit: string) => digit.repeat(32);

const span = (digit: string, rest: object = {}) => ({
  traceId: idOf(digit),
  spanId: "1".repeat(16),
  startTimeUnixNano: "0",
  endTimeUnixNano: String(10 * MS),
  ...rest,
});

const attributed = (digit: string, attributes: Readonly<Record<string, unknown>>) =>
  span(digit, { attributes: toKeyValues(attributes) });

const requestOf = (...spans: object[]) => ({
  resourceSpans: [
    {
      resource: { attributes: toKeyValues({ "service.name": "shop" }) },
      scopeSpans: [{ scope: { name: "lib" }, spans }],
    },
  ],
});

/** First digits of the traces, once each, in order. */
function tracesIn(resourceSpans: readonly ResourceSpans[]): string {
  const ids = spansOf({ resourceSpans: [...resourceSpans] }).map(({ traceId }) =>
    Buffer.from(traceId).toString("hex").slice(0, 1),
  );
  return [...new Set(ids)].toSorted().join("");
}

const component = (config: string, wait = "1ms") =>
  `otelcol.processor.tail_sampling "p" {\ndecision_wait = "${wait}"\n${config}\noutput {\ntraces = SINK\n}\n}`;

/** Traces that come out of one request. One at least must. */
async function sampled(config: string, ...spans: object[]): Promise<string> {
  await using flow = await startProcessor(component(config));
  const early = await flow.send("traces", requestOf(...spans));
  assert.deepEqual(early, []);
  const batches = await flow.next();
  return tracesIn(
    batches.flatMap((batch) => (batch.signal === "traces" ? batch.tree().resourceSpans : [])),
  );
}

let names = 0;
function policy(type: string, content = "", kind = "policy"): string {
  const inner = content === "" ? "" : `${type} {\n${content}\n}`;
  return `${kind} {\nname = "n${names++}"\ntype = "${type}"\n${inner}\n}`;
}

const status = (digit: string, code: number) => span(digit, { status: { code } });

test("policies", async (t) => {
  const numbers = [
    attributed("a", { n: 5n }),
    attributed("b", { n: 50n }),
    attributed("c", { n: "5" }),
    span("d"),
  ];
  const strings = [
    attributed("a", { path: "/api/x" }),
    attributed("b", { path: "/healthz" }),
    attributed("c", { path: 1n }),
    span("d"),
  ];
  const slow = [
    span("a", { endTimeUnixNano: String(100 * MS) }),
    span("b", { endTimeUnixNano: String(200 * MS) }),
    span("c"),
    // A trace lasts from the first start to the last end.
    span("c", { startTimeUnixNano: String(140 * MS), endTimeUnixNano: String(150 * MS) }),
  ];
  const errors = policy("status_code", 'status_codes = ["ERROR"]');
  const paths = (kind: string) =>
    policy("string_attribute", 'key = "path"\nvalues = ["/healthz"]', kind);
  const rows: readonly (readonly [string, readonly object[], string])[] = [
    [policy("always_sample"), numbers, "abcd"],
    [policy("latency", "threshold_ms = 150"), slow, "bc"],
    [policy("latency", "threshold_ms = 100\nupper_threshold_ms = 150"), slow, "c"],
    [policy("numeric_attribute", 'key = "n"\nmin_value = 1\nmax_value = 10'), numbers, "a"],
    [policy("numeric_attribute", 'key = "n"\nmin_value = 10\nmax_value = 0'), numbers, "b"],
    [
      policy("numeric_attribute", 'key = "n"\nmin_value = 1\nmax_value = 10\ninvert_match = true'),
      numbers,
      "bcd",
    ],
    [
      policy("boolean_attribute", 'key = "ok"\nvalue = false'),
      [attributed("a", { ok: true }), attributed("b", { ok: false }), span("c")],
      "b",
    ],
    [paths("policy"), strings, "b"],
    [
      policy(
        "string_attribute",
        'key = "path"\nvalues = ["^/api", "^/$"]\nenabled_regex_matching = true',
      ),
      strings,
      "a",
    ],
    [
      policy("string_attribute", 'key = "path"\nvalues = ["/healthz"]\ninvert_match = true'),
      strings,
      "acd",
    ],
    // Of the resource.
    [policy("string_attribute", 'key = "service.name"\nvalues = ["shop"]'), strings, "abcd"],
    [errors, [status("a", 0), status("b", 1), status("c", 2), status("d", 2)], "cd"],
    [
      policy("status_code", 'status_codes = ["OK", "UNSET"]'),
      [status("a", 0), status("b", 1), status("c", 2)],
      "ab",
    ],
    [policy("probabilistic", "sampling_percentage = 100"), numbers, "abcd"],
    [
      policy("rate_limiting", "spans_per_second = 1"),
      [span("a"), span("a"), span("b"), span("c")],
      "a",
    ],
    [
      policy("rate_limiting", "spans_per_second = 1\nburst_capacity = 3"),
      [span("a"), span("a"), span("b"), span("c")],
      "ab",
    ],
    [
      policy("bytes_limiting", "bytes_per_second = 1\nburst_capacity = 250"),
      [span("a", { name: "x".repeat(300) }), span("b"), span("c"), span("d"), span("e")],
      "bcd",
    ],
    [
      policy("span_count", "min_spans = 2\nmax_spans = 2"),
      [span("a"), span("b"), span("b"), span("c"), span("c"), span("c")],
      "b",
    ],
    [
      policy("trace_state", 'key = "tier"\nvalues = ["gold", "silver"]'),
      [
        span("a", { traceState: "x=y, tier=gold" }),
        span("b", { traceState: "tier=tin" }),
        span("c"),
      ],
      "a",
    ],
    [policy("trace_flags"), [span("a", { flags: 1 }), span("b", { flags: 2 })], "a"],
    [
      policy("ottl_condition", 'error_mode = "ignore"\nspan = ["attributes[\\"n\\"] > 10"]'),
      numbers,
      "b",
    ],
    [
      policy("ottl_condition", 'error_mode = "ignore"\nspanevent = ["name == \\"boom\\""]'),
      [span("a", { events: [{ name: "boom" }] }), span("b", { events: [{ name: "ok" }] })],
      "a",
    ],
    [
      `policy {\nname = "both"\ntype = "and"\nand {\n${policy("latency", "threshold_ms = 100", "and_sub_policy")}\n${policy("latency", "threshold_ms = 0\nupper_threshold_ms = 160", "and_sub_policy")}\n}\n}`,
      slow,
      "ac",
    ],
    [
      `policy {\nname = "not"\ntype = "not"\nnot {\n${paths("not_sub_policy")}\n}\n}`,
      strings,
      "acd",
    ],
    [
      `${policy("always_sample")}\npolicy {\nname = "drop"\ntype = "drop"\ndrop {\n${paths("drop_sub_policy")}\n}\n}`,
      strings,
      "acd",
    ],
    // One that samples is enough.
    [`${errors}\n${paths("policy")}`, [...strings, status("e", 2)], "be"],
    // What is excluded by an inverted match stays out, whatever else says.
    [
      `${policy("always_sample")}\n${policy("string_attribute", 'key = "path"\nvalues = ["/healthz"]\ninvert_match = true')}`,
      strings,
      "acd",
    ],
    // A condition that fails is not a "no" of other policies.
    [
      `${policy("ottl_condition", 'error_mode = "propagate"\nspan = ["Int(ParseJSON(name)[\\"a\\"]) > 1"]')}\n${errors}`,
      [status("a", 2), status("b", 0)],
      "a",
    ],
  ];
  for (const [config, spans, expected] of rows)
    await t.test(config.replaceAll(/\s+/g, " "), async () => {
      assert.equal(await sampled(config, ...spans), expected);
    });
});

test("a share of traces is about as large as it is told, the same for each run, and another with other salt", async () => {
  const share = policy("probabilistic", "sampling_percentage = 25");
  const spans = Array.from({ length: 2000 }, (_, i) =>
    span("a", {
      traceId: (BigInt(i + 1) * 0x9e3779b97f4a7c15f39cc0605cedc835n)
        .toString(16)
        .slice(-32)
        .padStart(32, "0"),
    }),
  );
  const keep = async (config: string) => {
    await using flow = await startProcessor(component(config));
    await flow.send("traces", requestOf(...spans));
    const [batch] = await flow.next();
    assert.ok(batch?.signal === "traces");
    return spansOf(batch.tree()).map(({ traceId }) => Buffer.from(traceId).toString("hex"));
  };
  const first = await keep(share);
  assert.ok(first.length > 430 && first.length < 570, String(first.length));
  assert.deepEqual(await keep(share), first);
  const salted = await keep(
    policy("probabilistic", 'sampling_percentage = 25\nhash_salt = "other"'),
  );
  assert.notDeepEqual(salted, first);
});

test("spans of a trace come out whole, late ones at once", async () => {
  const cache = "decision_cache = { sampled_cache_size = 100, non_sampled_cache_size = 10 }";
  await using flow = await startProcessor(component(`${cache}\n${policy("always_sample")}`));
  await flow.send("traces", requestOf(span("a", { name: "one" }), span("b")));
  const [batch] = await flow.next();
  assert.ok(batch?.signal === "traces");
  const [first] = batch.tree().resourceSpans;
  assert.equal(first?.resource.attributes.get("service.name"), "shop");
  assert.equal(first?.scopeSpans[0]?.scope.name, "lib");
  assert.equal(tracesIn(batch.tree().resourceSpans), "ab");
  const [late] = await flow.send("traces", requestOf(span("a", { name: "two" })));
  assert.deepEqual(
    spansOf(late!).map(({ name }) => name),
    ["two"],
  );
});

test("a stop decides about what waits, or drops it", async (t) => {
  for (const drops of [false, true])
    await t.test(`drop_pending_traces_on_shutdown = ${drops}`, async () => {
      const config = `drop_pending_traces_on_shutdown = ${drops}\n${policy("always_sample")}`;
      const flow = await startProcessor(component(config, "1h"));
      await flow.send("traces", requestOf(span("a")));
      await flow[Symbol.asyncDispose]();
      assert.equal(flow.arrived().length, drops ? 0 : 1);
    });
});

test("senders wait where there are too many traces", async () => {
  const config = `num_traces = 1\nblock_on_overflow = true\n${policy("always_sample")}`;
  await using flow = await startProcessor(component(config, "50ms"));
  await flow.send("traces", requestOf(span("a")));
  const second = flow.send("traces", requestOf(span("b")));
  const [first] = await Promise.race([flow.next(), second.then(() => [undefined])]);
  assert.ok(first?.signal === "traces");
  assert.equal(tracesIn(first.tree().resourceSpans), "a");
  await second;
});

test("arguments that are refused", async (t) => {
  const rows: Readonly<Record<string, RegExp>> = {
    "": /policy/,
    [policy("always_sample").replace(/name = .*/, 'name = ""')]: /is empty/,
    [`${policy("always_sample")}\n`.replace(/name = .*/, 'name = "x"').repeat(2)]:
      /another policy is named "x"/,
    [policy("sometimes")]: /must be one of always_sample/,
    [policy("composite")]: /not supported yet: composite/,
    [policy("latency")]: /needs a latency block/,
    [policy("and")]: /needs a and_sub_policy/,
    [policy("status_code", 'status_codes = ["BAD"]')]: /takes OK, ERROR and UNSET/,
    [policy("status_code", "status_codes = []")]: /takes OK, ERROR and UNSET/,
    [policy("string_attribute", 'key = "a"\nvalues = ["("]\nenabled_regex_matching = true')]:
      /bad regular expression/,
    [policy("ottl_condition", 'error_mode = "loud"\nspan = ["true"]')]: /must be one of ignore/,
    [policy("ottl_condition", 'error_mode = "ignore"')]: /needs a condition/,
    [policy("ottl_condition", 'error_mode = "ignore"\nspan = ["nmae == 1"]')]: /nmae/,
    [`policy {\nname = "x"\ntype = "drop"\ndrop {\n${policy("and", "", "drop_sub_policy")}\n}\n}`]:
      /must be one of always_sample/,
    [`decision_cache = { size = 1 }\n${policy("always_sample")}`]: /is an object of/,
    [`decision_cache = { sampled_cache_size = -1 }\n${policy("always_sample")}`]: /is an object of/,
    [`decision_wait = "0s"\n${policy("always_sample")}`]: /decision_wait/,
  };
  for (const [config, expected] of Object.entries(rows))
    await t.test(config.replaceAll(/\s+/g, " "), async () => {
      await assert.rejects(async () => {
        await using flow = await startProcessor(
          component(config).replace(/decision_wait = "1ms"\n/, ""),
        );
        assert.ok(flow);
      }, expected);
    });
});

const OPTIONS: SamplerOptions = {
  decisionWaitMs: 100,
  afterRootMs: 0,
  tracesMax: 10,
  stopsAtFirstMatch: false,
  traceBytesMax: 0,
  sampledMemory: 0,
  notSampledMemory: 0,
};

/** A sampler and what it told. */
function createSampler(options: Partial<SamplerOptions>, ...policies: NamedPolicy[]) {
  const told: string[] = [];
  const sampler = new TailSampler(
    { ...OPTIONS, ...options },
    {
      decided: ({ id }, isSampled) => told.push(`${id.slice(0, 1)} ${isSampled}`),
      judged: (name, decision) => told.push(`${name} ${decision}`),
      failed: (name) => told.push(`${name} failed`),
      dropped: (spans, reason) => told.push(`${spans} ${reason}`),
      late: (spans, isSampled) => told.push(`${spans} late ${isSampled}`),
    },
  );
  sampler.policies = policies;
  const take = (nowMs: number, ...spans: object[]) =>
    tracesIn(sampler.take(batchOf("traces", requestOf(...spans)).takeTree(), nowMs));
  const decide = (nowMs: number, isLast = false) => tracesIn(sampler.decide(nowMs, { isLast }));
  return { told, take, decide, sampler };
}

const says = (decision: Decision): NamedPolicy => ({ name: decision, decide: () => decision });

test("decisions of several policies", async (t) => {
  const rows: readonly (readonly [readonly Decision[], string])[] = [
    [[], ""],
    [["not-sampled"], ""],
    [["sampled", "not-sampled"], "a"],
    [["inverted-sampled"], "a"],
    [["inverted-sampled", "not-sampled"], ""],
    [["inverted-sampled", "sampled", "not-sampled"], "a"],
    [["sampled", "inverted-not-sampled"], ""],
    [["sampled", "dropped"], ""],
  ];
  for (const [decisions, expected] of rows)
    await t.test(decisions.join(", "), () => {
      const { take, decide } = createSampler({}, ...decisions.map(says));
      take(0, span("a"));
      assert.equal(decide(100), expected);
    });
});

test("no policy is asked after the first that samples", () => {
  const { take, decide, told } = createSampler(
    { stopsAtFirstMatch: true },
    says("not-sampled"),
    says("sampled"),
    says("inverted-not-sampled"),
  );
  take(0, span("a"));
  assert.equal(decide(100), "a");
  assert.deepEqual(told, ["not-sampled not-sampled", "sampled sampled", "a true"]);
});

test("when a trace is decided about", () => {
  const { take, decide } = createSampler({ afterRootMs: 20 }, says("sampled"));
  const parentSpanId = "2".repeat(16);
  take(0, span("a", { parentSpanId }), span("b", { parentSpanId }));
  take(50, span("a"));
  assert.equal(decide(69), "");
  assert.equal(decide(70), "a");
  assert.equal(decide(99), "");
  take(95, span("b"));
  assert.equal(decide(100), "b");
  take(100, span("c", { parentSpanId }));
  assert.equal(decide(101, true), "c");
});

test("the oldest goes where there are too many, and large ones", () => {
  const { take, decide, told } = createSampler({ tracesMax: 2, traceBytesMax: 300 });
  take(0, span("a"), span("a"));
  take(1, span("b"));
  take(2, span("c"));
  assert.deepEqual(told, ["2 num_traces"]);
  take(3, span("b", { name: "x".repeat(300) }));
  assert.deepEqual(told.slice(1), ["2 maximum_trace_size_bytes"]);
  // It stays out.
  assert.equal(take(4, span("b")), "");
  assert.deepEqual(told.slice(2), ["1 late false"]);
  assert.equal(decide(200), "");
  assert.deepEqual(told.slice(3), ["c false"]);
});

test("decisions are remembered for the last traces, and longer in a cache", () => {
  const onlyA: NamedPolicy = {
    name: "a",
    decide: ({ id }) => (id.startsWith("a") ? "sampled" : "not-sampled"),
  };
  const run = (options: Partial<SamplerOptions>) => {
    const { take, decide } = createSampler({ tracesMax: 1, ...options }, onlyA);
    take(0, span("a"));
    decide(100);
    assert.equal(take(101, span("a")), "a");
    take(102, span("b"));
    decide(202);
    // The last decision was about b.
    return take(203, span("a"));
  };
  assert.equal(run({}), "");
  assert.equal(run({ sampledMemory: 5 }), "a");
  assert.equal(run({ notSampledMemory: 5 }), "");
});

test("a bucket of tokens", () => {
  const bucket = new TokenBucket(10, 20, 0);
  assert.equal(bucket.take(21, 0), false);
  assert.equal(bucket.take(20, 0), true);
  assert.equal(bucket.take(1, 99), false);
  assert.equal(bucket.take(1, 100), true);
  // Time that goes back adds nothing.
  assert.equal(bucket.take(1, 50), false);
  assert.equal(bucket.take(20, 60_000), true);
  assert.equal(bucket.take(1, 60_000), false);
});
