/** Runs one test: the configuration with stand-ins for what reaches out of the process, by a clock that the test moves. */
import { Capsule } from "@finch/alloy-syntax";
import type { ObjectValue, Value } from "@finch/alloy-syntax";
import { closestName, FinchError, nodeFileSystem, silentLogger } from "@finch/runtime";
import type { ComponentContext, ComponentMetrics } from "../component.ts";
import { LiveDebug } from "../live/live-debug.ts";
import type { ForwardReceiver, LogEntry, SampleSet } from "../receivers.ts";
import { buildGraph } from "../runtime/build-graph.ts";
import { checkGraph } from "../runtime/check.ts";
import { ConfigError } from "../runtime/config-error.ts";
import { asFiles, readConfig } from "../runtime/config-source.ts";
import { libraryOf } from "../runtime/environment.ts";
import { findNode } from "../runtime/graph.ts";
import type { Vocabulary } from "../runtime/graph.ts";
import { createImportLoader } from "../runtime/import-loader.ts";
import { ModuleRuntime } from "../runtime/module-runtime.ts";
import type { ComponentNode } from "../runtime/node.ts";
import { NEUTRAL_ENVIRONMENT, neutralVocabulary } from "../runtime/validate.ts";
import type { BlockSchema, ValuesOf } from "../schema.ts";
import { untilAborted } from "../until-aborted.ts";
import { SampleBuilder } from "../components/prometheus/sample-builder.ts";
import { ManualClock } from "./manual-clock.ts";
import type { SampleLine } from "./sample-lines.ts";
import { Bench } from "./stand-ins.ts";
import type { PipelineTest, TestInput, TestResult } from "./test-file.ts";

/** What came out, and what explains why something did not. */
export interface TestRun {
  /** All times as they are. */
  readonly result: TestResult;
  readonly given: GivenTimes;
  /** Components that are unwell or never started, with why. */
  readonly notes: readonly string[];
}

/** Times that went in: a pipeline that hands them on has set none. */
export interface GivenTimes {
  readonly ns: ReadonlySet<bigint>;
  readonly ms: ReadonlySet<number>;
}

/** Throws a ConfigError for a configuration that is refused, another FinchError for inputs that nothing takes. */
export async function runPipelineTest(test: PipelineTest): Promise<TestRun> {
  const clock = new ManualClock(test.nowNs);
  const bench = new Bench(test.exports);
  const dropped = new Map<string, Map<string, number>>();
  const root = await openRoot({ test, clock, bench, dropped });
  const times = { ns: new Set([test.nowNs]), ms: new Set([clock.nowMs()]) };
  try {
    await clock.settle();
    for (const input of test.inputs) await send(input, { root, bench, clock, times });
    await clock.settle();
    const notes = unwell(root);
    const exports = exportsOf(root);
    await root.stop();
    return { result: { ...resultOf(bench), exports, dropped }, given: times, notes };
  } finally {
    await root.stop();
  }
}

async function openRoot(from: {
  readonly test: PipelineTest;
  readonly clock: ManualClock;
  readonly bench: Bench;
  readonly dropped: Map<string, Map<string, number>>;
}): Promise<ModuleRuntime> {
  const { test, clock, bench, dropped } = from;
  const library = new Map([
    ...libraryOf({ ...NEUTRAL_ENVIRONMENT, env: (name) => test.environment[name] }),
    ["pipelinetest", pipelineTestNames(bench)],
  ]);
  const imports = createImportLoader({
    library,
    fileSystem: nodeFileSystem,
    storagePath: "",
    names: ["import.file", "import.string"],
  });
  const sources = await readConfig(test.config, nodeFileSystem);
  const graph = await buildGraph(
    asFiles(sources),
    withIdleSettings(neutralVocabulary({ library, imports, components: bench.components() })),
  );
  const errors = checkGraph(graph, library).filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new ConfigError(errors);
  const root = new ModuleRuntime(
    "",
    {
      storagePath: "",
      clock,
      fileSystem: { ...nodeFileSystem, makeDirectory: () => Promise.resolve() },
      imports,
      library,
      internalHandlers: new Map(),
      scrapePools: new Map(),
      logger: () => silentLogger,
      metricsOf: (id) => dropCounters(id, dropped),
      live: new LiveDebug(clock, { isOn: false }),
      forget: () => {},
    },
    { onExports: () => {}, onFault: () => {} },
  );
  await root.apply(graph);
  return root;
}

/** Blocks about the agent itself are checked and do nothing: one would ask a server for a configuration. */
function withIdleSettings(vocabulary: Vocabulary): Vocabulary {
  const idle = Object.entries(vocabulary.singleBlocks).map(([name, definition]) => [
    name,
    {
      ...definition,
      run: (context: ComponentContext<ValuesOf<BlockSchema>, object>, signal: AbortSignal) =>
        untilAborted(signal, async () => void (await context.nextArguments(signal))),
    },
  ]);
  return { ...vocabulary, singleBlocks: Object.fromEntries(idle) as Vocabulary["singleBlocks"] };
}

/** The names that pipeline tests of Alloy use for what a test keeps. */
function pipelineTestNames(bench: Bench): ObjectValue {
  const loki = new Map<string, Value>([
    ["url", "http://127.0.0.1/loki/api/v1/push"],
    ["receiver", bench.logsReceiver("pipelinetest.loki")],
  ]);
  const prometheus = new Map<string, Value>([
    ["receiver", bench.metricsReceiver("pipelinetest.prometheus")],
  ]);
  return new Map<string, Value>([
    ["loki", loki],
    ["prometheus", prometheus],
  ]);
}

/** Counts what stages drop, and nothing else. */
function dropCounters(id: string, dropped: Map<string, Map<string, number>>): ComponentMetrics {
  const nothing = { add: () => {}, set: () => {} };
  return {
    counter(name, _help, labels = {}) {
      if (name !== "loki_process_dropped_lines_total") return nothing;
      const reason = labels["reason"] ?? "";
      const reasons = dropped.get(id) ?? new Map<string, number>();
      dropped.set(id, reasons);
      return { add: (amount) => void reasons.set(reason, (reasons.get(reason) ?? 0) + amount) };
    },
    gauge: () => nothing,
    histogram: () => ({ observe: () => {} }),
  };
}

async function send(
  input: TestInput,
  to: {
    readonly root: ModuleRuntime;
    readonly bench: Bench;
    readonly clock: ManualClock;
    readonly times: { readonly ns: Set<bigint>; readonly ms: Set<number> };
  },
): Promise<void> {
  const { root, bench, clock, times } = to;
  await clock.advance(input.afterMs);
  const nowNs = clock.nowNs();
  const nowMs = clock.nowMs();
  times.ns.add(nowNs);
  times.ms.add(nowMs);
  const entries = input.entries.map(({ timestampNs = nowNs, ...entry }): LogEntry => {
    times.ns.add(timestampNs);
    return { ...entry, timestampNs };
  });
  const builder = new SampleBuilder();
  for (const { labels, value, timestampMs = nowMs } of input.samples)
    builder.add(labels, timestampMs, value);
  const samples = builder.build([]);
  const { signal } = new AbortController();
  for (const written of input.components)
    for (const receiver of receiversOf(written, input, { root, bench })) {
      if (receiver.kind === "profiles-receiver" || !fits(receiver, input))
        throw refused(input, `${written} takes ${KINDS[receiver.kind]}`);
      const work =
        receiver.kind === "logs-receiver"
          ? receiver.append(entries, signal)
          : receiver.append(samples, signal);
      if (!(await clock.finish(work))) throw refused(input, `${written} did not take it`);
    }
}

const KINDS = {
  "logs-receiver": "log entries",
  "metrics-receiver": "samples",
  "profiles-receiver": "profiles, which tests do not send",
} as const;

function fits(receiver: ForwardReceiver, input: TestInput): boolean {
  const other = receiver.kind === "logs-receiver" ? input.samples : input.entries;
  return other.length === 0;
}

/** What `loki.process.app.receiver` or `loki.source.file.logs` stands for. */
function receiversOf(
  written: string,
  input: TestInput,
  { root, bench }: { readonly root: ModuleRuntime; readonly bench: Bench },
): readonly ForwardReceiver[] {
  const nodes = new Map([...root.nodes()].map((node) => [node.id, node]));
  const found = findNode(written.split("."), (id) => nodes.has(id));
  if (found === undefined)
    throw refused(input, `${written}: there is no such component${suggestion(written, nodes)}`);
  const node = nodes.get(found.id)!;
  const source = bench.sources.get(found.id);
  if (source !== undefined && found.rest.length === 0) {
    const receivers = source();
    if (receivers.length > 0) return receivers;
    throw refused(input, `${written} forwards to nothing`);
  }
  const value = node.exportValues?.get(found.rest[0] ?? "receiver");
  const content = value instanceof Capsule ? (value.content as { kind?: string }) : undefined;
  if (content?.kind !== undefined && Object.hasOwn(KINDS, content.kind))
    return [content as ForwardReceiver];
  const { state, message } = node.health;
  throw refused(
    input,
    state === "healthy"
      ? `${written} takes nothing: it exports no receiver`
      : `${written} takes nothing: ${message}; what does not run in a test exports what the test says under exports:`,
  );
}

function suggestion(written: string, nodes: ReadonlyMap<string, ComponentNode>): string {
  const close = closestName(written.replace(/\.receiver$/, ""), [...nodes.keys()]);
  if (close !== undefined) return `; did you mean ${close}?`;
  return nodes.size === 0 ? "" : `; there are ${[...nodes.keys()].join(", ")}`;
}

function refused(input: TestInput, message: string): FinchError {
  return new FinchError("invalid", "agent/bad-test-input", `${input.place}: ${message}`);
}

function unwell(root: ModuleRuntime): readonly string[] {
  return [...root.nodes()]
    .filter(({ health }) => health.state !== "healthy")
    .map(({ id, health }) => `${id}: ${health.message}`);
}

function exportsOf(root: ModuleRuntime): ReadonlyMap<string, ObjectValue> {
  const exports = new Map<string, ObjectValue>();
  for (const { id, exportValues } of root.nodes())
    if (exportValues !== undefined && exportValues.size > 0) exports.set(id, exportValues);
  return exports;
}

function resultOf(bench: Bench): Pick<TestResult, "loki" | "prometheus"> {
  const prometheus = [...bench.samples].map(([id, sets]) => [id, sets.flatMap(linesOf)] as const);
  return { loki: bench.entries, prometheus: new Map(prometheus) };
}

function linesOf({ labels, values, timestampsMs }: SampleSet): readonly SampleLine[] {
  return labels.map((own, row) => ({
    labels: own,
    value: values[row]!,
    timestampMs: timestampsMs[row]!,
  }));
}
