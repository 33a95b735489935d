import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { startComponent, temporaryDirectory } from "../test/component-harness.ts";
import type { RunningComponent } from "../test/component-harness.ts";
import { relabel as discoveryRelabel } from "./components/discovery/relabel.ts";
import { lokiRelabel } from "./components/loki/relabel.ts";
import { prometheusRelabel } from "./components/prometheus/relabel.ts";
import { SampleBuilder } from "./components/prometheus/sample-builder.ts";
import type { LogsReceiver, Target } from "./receivers.ts";
import type { RuleValues } from "./relabel-arguments.ts";

const RULE: RuleValues = {
  action: "replace",
  source_labels: undefined,
  separator: ";",
  regex: "(.*)",
  modulus: 0,
  target_label: "",
  replacement: "$1",
};
const DROP_A: RuleValues = { ...RULE, action: "drop", source_labels: ["app"], regex: "a" };
const KEEP_B: RuleValues = { ...RULE, action: "keep", source_labels: ["app"], regex: "b" };
const NO_APP: RuleValues = { ...RULE, action: "labeldrop", regex: "app" };
const SIGNAL = new AbortController().signal;

const withApp = (app: string) => Labels.fromObject({ app });

function told({ drops }: Pick<RunningComponent<unknown, unknown>, "drops">): readonly string[] {
  return drops.map(
    ({ place, amount, samples }) =>
      `${amount} ${place.kind} ${place.reason} ${place.at ?? "-"} ${samples[0]!.labels} ${samples[0]!.text}`,
  );
}

test("lines: by rule, by a remembered outcome too, and when no label is left", async () => {
  await using directory = await temporaryDirectory();
  await using component = startComponent(
    lokiRelabel,
    { forward_to: [], max_cache_size: 10, rule: [DROP_A, KEEP_B, NO_APP] },
    directory.path,
  );
  const entry = (app: string, line: string) => ({
    labels: withApp(app),
    line,
    timestampNs: 1n,
    structuredMetadata: Labels.EMPTY,
  });
  const lines = [entry("a", "one"), entry("a", "two"), entry("c", "three"), entry("b", "four")];
  const { receiver } = component.exports as { readonly receiver: LogsReceiver };
  await receiver.append(lines, SIGNAL);
  assert.deepEqual(told(component), [
    '2 lines drop rule[0] {app="a"} one',
    '1 lines keep rule[1] {app="c"} three',
    '1 lines no labels left - {app="b"} four',
  ]);
});

test("samples, and series that are remembered", async () => {
  await using directory = await temporaryDirectory();
  await using component = startComponent(
    prometheusRelabel,
    { forward_to: [], max_cache_size: 10, cache_ttl: 0, rule: [KEEP_B] },
    directory.path,
  );
  for (let i = 0; i < 2; i++) {
    const builder = new SampleBuilder();
    builder.add(withApp("a"), 1, 1);
    builder.add(withApp("b"), 1, 1);
    await component.exports.receiver.append(builder.build([]), SIGNAL);
  }
  const one = '1 samples keep rule[0] {app="a"} ';
  assert.deepEqual(told(component), [one, one]);
});

test("targets", async () => {
  await using directory = await temporaryDirectory();
  await using component = startComponent(
    discoveryRelabel,
    { targets: [withApp("a"), withApp("b")], rule: [DROP_A] },
    directory.path,
  );
  assert.deepEqual(told(component), ['1 targets drop rule[0] {app="a"} ']);
  assert.equal((component.exports as { readonly output: readonly Target[] }).output.length, 1);
});
