/** Relabels targets as Kubernetes discovery makes them, by the rules most files have. Floor: one look-up a source label and one sort a label set. */
import { createHash } from "node:crypto";
import { Labels } from "@finch/model";
import { compileRules, createRelabeler } from "../src/relabel.ts";

const count = process.env["BENCH_SIZE"] === "large" ? 200_000 : 20_000;

const rules = compileRules(
  [
    { action: "keep", sourceLabels: ["__meta_kubernetes_pod_phase"], regex: "Running|Pending" },
    { sourceLabels: ["__meta_kubernetes_namespace"], targetLabel: "namespace" },
    {
      sourceLabels: ["__meta_kubernetes_namespace", "__meta_kubernetes_pod_name"],
      separator: "/",
      targetLabel: "job",
    },
    {
      sourceLabels: ["__meta_kubernetes_pod_name"],
      regex: "(.+)-[a-z0-9]+-[a-z0-9]+",
      targetLabel: "workload",
    },
    { action: "labelmap", regex: "__meta_kubernetes_pod_label_(.+)" },
    { action: "hashmod", sourceLabels: ["__address__"], modulus: 4, targetLabel: "__shard" },
    { action: "labeldrop", regex: "__meta_.*" },
  ],
  { names: "legacy" },
);
const targets = Array.from({ length: count }, (_, i) =>
  Labels.fromObject({
    __address__: `10.0.${(i >> 8) & 255}.${i & 255}:9100`,
    __meta_kubernetes_namespace: `ns${i % 20}`,
    __meta_kubernetes_pod_name: `app-${i % 100}-abc${i}-xyz`,
    __meta_kubernetes_pod_phase: i % 10 === 0 ? "Failed" : "Running",
    __meta_kubernetes_pod_label_app: `app-${i % 100}`,
    __meta_kubernetes_pod_label_tier: "web",
  }),
);

const relabeler = createRelabeler(rules);
const hash = createHash("sha256");
let kept = 0;
let bestMs = Infinity;
for (let round = 0; round < 3; round++) {
  const start = performance.now();
  const results = targets.map(relabeler);
  bestMs = Math.min(bestMs, performance.now() - start);
  kept = results.filter((labels) => labels !== undefined).length;
  if (round === 0) for (const labels of results) hash.update(labels?.key ?? "");
}
console.log(
  JSON.stringify({
    bench: "agent/relabel",
    params: { labelSets: count, rules: rules.length },
    hash: hash.digest("hex").slice(0, 16),
    kept,
    microsecondsPerLabelSet: Number(((bestMs * 1000) / count).toFixed(2)),
  }),
);
