import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { diffLines } from "./diff-lines.ts";
import {
  asExpected,
  compareResults,
  formatExpected,
  parsePipelineTest,
  replaceExpected,
  runPipelineTest,
} from "./index.ts";

const TESTS = join(import.meta.dirname, "../../testdata/pipeline-tests");

for (const name of ["logs", "module", "targets-and-samples"])
  test(`${name}.test.yaml passes, and comes out the same each time`, async () => {
    const path = join(TESTS, `${name}.test.yaml`);
    const parsed = parsePipelineTest(await readFile(path, "utf8"), path);
    const run = await runPipelineTest(parsed);
    assert.deepEqual(compareResults(parsed, run), { diff: [], failures: [] });
    const again = await runPipelineTest(parsed);
    assert.equal(
      formatExpected(asExpected(again, undefined)),
      formatExpected(asExpected(run, undefined)),
    );
  });

const HEAD = `config: |
  loki.process "p" {
    forward_to = [loki.write.w.receiver]

    stage.multiline {
      firstline     = "^-"
      max_wait_time = "3s"
    }
  }

  loki.write "w" {
    endpoint {
      url = "http://127.0.0.1:1/loki/api/v1/push"
    }
  }
`;

async function runText(text: string) {
  const parsed = parsePipelineTest(text, "t.test.yaml");
  const run = await runPipelineTest(parsed);
  return { parsed, run, compared: compareResults(parsed, run) };
}

async function linesOut(inputs: string): Promise<readonly string[]> {
  const { run } = await runText(`${HEAD}inputs:\n  loki:\n${inputs}`);
  return (run.result.loki.get("loki.write.w") ?? []).map(({ line }) => line);
}

const input = (line: string, after: string) =>
  `    - {components: [loki.process.p.receiver], after: ${after}, lines: ${JSON.stringify(line)}}\n`;

test("lines are joined while no time passes, and handed on when it has", async () => {
  assert.deepEqual(await linesOut(input("- a", "0s") + input(" b", "2s") + input(" c", "2s")), [
    "- a\n b\n c",
  ]);
  assert.deepEqual(await linesOut(input("- a", "0s") + input(" b", "3s")), ["- a", " b"]);
});

test("a limit lets through what the time allows", async () => {
  const limit = "stage.limit {\n      rate  = 1\n      burst = 1\n      drop  = true\n    }";
  const head = HEAD.replace(/stage\.multiline \{[^}]*\}/, limit);
  const lines = async (inputs: string) => {
    const { run } = await runText(`${head}inputs:\n  loki:\n${inputs}`);
    return run.result.loki.get("loki.write.w")!.map(({ line }) => line);
  };
  assert.deepEqual(await lines(input("a", "0s") + input("b", "500ms") + input("c", "0s")), ["a"]);
  assert.deepEqual(await lines(input("a", "0s") + input("b", "0s") + input("c", "2s")), ["a", "c"]);
});

test("lines and samples go through OpenTelemetry and back, and what leaves it otherwise is let go", async () => {
  const { run } = await runText(`config: |
  otelcol.receiver.loki "in" {
    output {
      logs = [otelcol.processor.batch.b.input, otelcol.exporter.otlphttp.away.input]
    }
  }
  otelcol.processor.batch "b" {
    timeout = "1s"
    output {
      logs    = [otelcol.exporter.loki.out.input]
      metrics = [otelcol.exporter.prometheus.out.input]
    }
  }
  otelcol.receiver.prometheus "in" {
    output { metrics = [otelcol.processor.batch.b.input] }
  }
  otelcol.exporter.loki "out" { forward_to = [loki.write.w.receiver] }
  otelcol.exporter.prometheus "out" { forward_to = [prometheus.remote_write.w.receiver] }
  otelcol.auth.basic "a" {
    username = "me"
    password = "pass"
  }
  otelcol.exporter.otlphttp "away" {
    client {
      endpoint = "http://127.0.0.1:1"
      auth     = otelcol.auth.basic.a.handler
    }
  }
  loki.write "w" {
    endpoint { url = "http://127.0.0.1:1/loki/api/v1/push" }
  }
  prometheus.remote_write "w" {
    endpoint { url = "http://127.0.0.1:1/api/v1/write" }
  }
inputs:
  loki:
    - {components: [otelcol.receiver.loki.in.receiver], labels: {app: web}, lines: "hi"}
  prometheus:
    - {components: [otelcol.receiver.prometheus.in.receiver], samples: 'up{job="a"} 1'}
`);
  const [entry] = run.result.loki.get("loki.write.w") ?? [];
  assert.deepEqual(
    [entry?.labels.toObject(), entry?.line],
    [{ app: "web", exporter: "OTLP" }, '{"body":"hi"}'],
  );
  const samples = run.result.prometheus.get("prometheus.remote_write.w") ?? [];
  assert.ok(JSON.stringify(samples).includes("up"), JSON.stringify(samples));
});

const REFUSED: readonly (readonly [rule: string, text: string, message: RegExp])[] = [
  ["no configuration", "inputs: {}\n", /t\.test\.yaml:1:1: config is missing/],
  ["an unknown key", `${HEAD}input: {}\n`, /t\.test\.yaml:16:8: .*did you mean inputs\?/],
  [
    "an unknown component",
    `${HEAD}${"inputs:\n  loki:\n"}    - {components: [loki.process.q], lines: x}\n`,
    /t\.test\.yaml:18:7: loki\.process\.q: there is no such component; did you mean loki\.process\.p\?/,
  ],
  [
    "samples for a component that takes lines",
    `${HEAD}inputs:\n  prometheus:\n    - {components: [loki.process.p], samples: "a 1"}\n`,
    /t\.test\.yaml:18:7: loki\.process\.p takes log entries/,
  ],
  [
    "samples that are none",
    `${HEAD}inputs:\n  prometheus:\n    - {components: [loki.process.p], samples: "a{ 1"}\n`,
    /t\.test\.yaml:18:\d+: inputs\.prometheus\[0\]\.samples: /,
  ],
  [
    "a time that goes back",
    `${HEAD}inputs:\n  loki:\n    - {components: [loki.process.p], after: -1s}\n`,
    /t\.test\.yaml:18:\d+: .*time does not go back/,
  ],
];

for (const [rule, text, message] of REFUSED)
  test(`${rule} is refused with its place`, () => assert.rejects(runText(text), { message }));

test("a configuration that is refused says where", async () => {
  const text = `config: |\n  loki.process "p" { forward_to = [nothing.there] }\ninputs: {}\n`;
  await assert.rejects(runText(text), /t\.test\.yaml \(config\):1:34: /);
});

test("a difference is told in lines of the file, and --update takes it away", async () => {
  const expect = "expect:\n  loki:\n    loki.write.w:\n      - line: '- b'\n";
  const text = `# kept\n${HEAD}${expect}# kept, too\ninputs:\n  loki:\n${input("- a", "0s")}`;
  const { run, parsed, compared } = await runText(text);
  assert.deepEqual(
    compared.diff.filter(({ kind }) => kind !== "both"),
    [
      { kind: "expected", text: "      - line: '- b'" },
      { kind: "got", text: "      - line: '- a'" },
    ].map(({ kind, text: line }) => ({ kind, text: line.replaceAll("'", '"') })),
  );
  const section = formatExpected(asExpected(run, parsed.expected));
  const updated = replaceExpected(text, section);
  assert.equal(updated, text.replace("line: '- b'", 'line: "- a"'));
  assert.deepEqual((await runText(updated)).compared, { diff: [], failures: [] });
});

test("an assertion that does not hold says where it stands and what there is", async () => {
  const { compared } = await runText(
    `${HEAD}inputs:\n  loki:\n${input("- a", "0s")}assert:\n  loki:\n    - {type: count, count: 2}\n    - {type: contains, match: {line: b}}\n    - {type: count, count: 1, match: {line: "- a"}}\n`,
  );
  assert.deepEqual(compared.failures, [
    "t.test.yaml:21:7: 2 entries wanted, 1 match",
    "t.test.yaml:22:7: no entries match",
  ]);
});

test("differences have as many lines in common as there can be", () => {
  const diff = (want: string, got: string) =>
    diffLines(want.split(""), got.split(""))
      .map(({ kind, text }) => ({ both: "", expected: "-", got: "+" })[kind] + text)
      .join(" ");
  assert.equal(diff("abcd", "abcd"), "a b c d");
  assert.equal(diff("abcd", "acxd"), "a -b c +x d");
  assert.equal(diff("", "ab"), "+a +b");
  assert.equal(diff("ab", ""), "-a -b");
});
