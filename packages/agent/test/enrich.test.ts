import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { lokiEnrich } from "../src/components/loki/enrich.ts";
import { prometheusEnrich } from "../src/components/prometheus/enrich.ts";
import { SampleBuilder } from "../src/components/prometheus/sample-builder.ts";
import { collectingReceiver as collectingLogs, startComponent } from "./component-harness.ts";
import { collectingReceiver, linesOf, runComponent, valuesOf } from "./prometheus-harness.ts";

const never = new AbortController().signal;
const TARGETS = [
  { host: "web-1", zone: "a", rack: "7", team: "blue" },
  { host: "web-2", zone: "b", rack: "8" },
  { zone: "c", team: "none" },
].map((labels) => Labels.fromObject(labels));

describe("prometheus.enrich", () => {
  const rows: readonly {
    readonly name: string;
    readonly changes: object;
    readonly sample: Record<string, string>;
    readonly expected: Record<string, string>;
  }[] = [
    {
      name: "all labels of the target are laid over those of the sample",
      changes: { target_match_label: "host" },
      sample: { host: "web-1", rack: "old" },
      expected: { host: "web-1", rack: "7", zone: "a", team: "blue" },
    },
    {
      name: "the label of samples may have another name",
      changes: {
        target_match_label: "host",
        metrics_match_label: "instance",
        labels_to_copy: ["zone"],
      },
      sample: { instance: "web-2" },
      expected: { instance: "web-2", zone: "b" },
    },
    {
      name: "all pairs must match",
      changes: {
        target_to_metric_match: { host: "instance", zone: "az" },
        labels_to_copy: ["rack"],
      },
      sample: { instance: "web-1", az: "a" },
      expected: { instance: "web-1", az: "a", rack: "7" },
    },
    {
      name: "one pair that does not match",
      changes: { target_to_metric_match: { host: "instance", zone: "az" } },
      sample: { instance: "web-1", az: "b" },
      expected: { instance: "web-1", az: "b" },
    },
    {
      name: "target_to_metric_match wins over the deprecated labels",
      changes: {
        target_to_metric_match: { host: "node" },
        target_match_label: "zone",
        labels_to_copy: ["rack"],
      },
      sample: { node: "web-2", zone: "a" },
      expected: { node: "web-2", zone: "a", rack: "8" },
    },
    {
      name: "a sample without the label, and a label that the target lacks",
      changes: { target_match_label: "host", labels_to_copy: ["team"] },
      sample: { job: "x" },
      expected: { job: "x" },
    },
  ];
  for (const { name, changes, sample, expected } of rows)
    test(name, async () => {
      const receiver = collectingReceiver();
      const values = valuesOf(prometheusEnrich.arguments, {
        targets: TARGETS,
        forward_to: [receiver],
        ...changes,
      });
      await using running = runComponent(prometheusEnrich, { values });
      const builder = new SampleBuilder();
      builder.add(Labels.fromObject({ __name__: "up", ...sample }), 1000, 1);
      builder.addStale(Labels.fromObject({ __name__: "gone", ...sample }), 1000);
      await running.exports.receiver.append(builder.build([]), never);
      const [batch] = receiver.batches;
      assert.deepEqual(batch!.labels[0]!.toObject(), { __name__: "up", ...expected });
      assert.match(linesOf(batch!)[1]!, / stale @1000$/);
    });

  test("new targets count from then on, without a new receiver", async () => {
    const receiver = collectingReceiver();
    const changes = {
      forward_to: [receiver],
      target_match_label: "host",
      labels_to_copy: ["zone"],
    };
    const values = (targets: readonly Labels[]) =>
      valuesOf(prometheusEnrich.arguments, { ...changes, targets });
    await using running = runComponent(prometheusEnrich, { values: values(TARGETS) });
    const before = running.exports.receiver;
    const labels = Labels.fromObject({ __name__: "up", host: "web-1" });
    const send = async () => {
      const builder = new SampleBuilder();
      builder.add(labels, 1000, 1);
      await running.exports.receiver.append(builder.build([]), never);
      return receiver.batches.at(-1)!.labels[0]!.get("zone");
    };
    assert.equal(await send(), "a");
    running.change(values([Labels.fromObject({ host: "web-1", zone: "z" })]));
    while (running.health.message !== "1 targets") await new Promise(setImmediate);
    assert.equal(await send(), "z");
    assert.equal(running.exports.receiver, before);
  });

  test("something to match by is needed", () => {
    const check = (changes: object) =>
      prometheusEnrich.check!(
        valuesOf(prometheusEnrich.arguments, { targets: [], forward_to: [], ...changes }),
      );
    assert.match(check({})!.message, /set target_to_metric_match/);
    assert.equal(check({ metrics_match_label: "a" })!.at, "metrics_match_label");
  });
});

test("loki.enrich lays labels of targets over lines", async () => {
  const receiver = collectingLogs();
  const values = valuesOf(lokiEnrich.arguments, {
    targets: TARGETS,
    forward_to: [receiver],
    target_match_label: "host",
    logs_match_label: "hostname",
    labels_to_copy: ["zone", "team"],
  });
  await using running = startComponent(lokiEnrich, values, "/nowhere");
  const entry = (hostname: string) => ({
    labels: Labels.fromObject({ hostname }),
    timestampNs: 1n,
    line: hostname,
    structuredMetadata: Labels.EMPTY,
  });
  await running.exports.receiver.append([entry("web-1"), entry("web-2"), entry("other")], never);
  assert.deepEqual(
    receiver.entries.map(({ labels }) => labels.toObject()),
    [
      { hostname: "web-1", zone: "a", team: "blue" },
      { hostname: "web-2", zone: "b" },
      { hostname: "other" },
    ],
  );
});
