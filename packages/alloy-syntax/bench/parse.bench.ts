/** Parses and formats a generated configuration. Floor: reading each character once, some 100 MB/s; real files have 1 to 60 kB. */
import { createHash } from "node:crypto";
import { formatFile } from "../src/formatter.ts";
import { parseFile } from "../src/parser.ts";
import { Source } from "../src/source.ts";

const components = process.env["BENCH_SIZE"] === "large" ? 20_000 : 1000;
const rounds = 5;

function generate(count: number): string {
  let text = "";
  for (let i = 0; i < count; i++) {
    text += `// component ${i}
discovery.relabel "n${i}" {
  targets = array.concat(discovery.kubernetes.pods.targets, [{__address__ = "10.0.0.${i % 256}:9100", job = "node"}])
  rule {
    source_labels = ["__meta_kubernetes_namespace", "__meta_kubernetes_pod_name"]
    separator = "/"
    regex = "(.+);(.+)-\\\\d+"
    target_label = "workload" // trailing
    replacement = string.format("$%d", ${i} + 1)
  }
}
`;
  }
  return text;
}

const text = generate(components);
let parseMs = Infinity;
let formatMs = Infinity;
let formatted = "";
for (let round = 0; round < rounds; round++) {
  const start = performance.now();
  const { file, diagnostics } = parseFile(new Source("bench.alloy", text));
  const parsed = performance.now();
  if (diagnostics.length > 0) throw new Error(diagnostics[0]!.message);
  formatted = formatFile(file);
  parseMs = Math.min(parseMs, parsed - start);
  formatMs = Math.min(formatMs, performance.now() - parsed);
}
console.log(
  JSON.stringify({
    bench: "alloy-syntax/parse",
    params: { components, characters: text.length },
    hash: createHash("sha256").update(formatted).digest("hex").slice(0, 16),
    parseMs: Number(parseMs.toFixed(2)),
    formatMs: Number(formatMs.toFixed(2)),
    parseMegabytesPerSecond: Number((text.length / parseMs / 1000).toFixed(1)),
  }),
);
