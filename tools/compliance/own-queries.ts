/** Our own queries over the demo data: what the compliance list leaves out. Placeholders as in `expand-queries.ts`. */
import type { QueryTemplate } from "./expand-queries.ts";

export const OWN_QUERIES: readonly QueryTemplate[] = [
  { query: "{{.dateFunc}}()", variant_args: ["dateFunc"] },
  { query: "{{.dateFunc}}(demo_batch_last_success_timestamp_seconds)", variant_args: ["dateFunc"] },
  {
    query: "{{.dateFunc}}(demo_batch_last_success_timestamp_seconds offset {{.offset}})",
    variant_args: ["dateFunc", "offset"],
  },
  { query: "{{.clampFunc}}(demo_memory_usage_bytes, 2)", variant_args: ["clampFunc"] },
  { query: "clamp(demo_cpu_usage_seconds_total, 100, 50)" },
  { query: "quantile({{.quantile}}, demo_memory_usage_bytes)", variant_args: ["quantile"] },
  {
    query: "quantile by (instance) ({{.quantile}}, demo_memory_usage_bytes)",
    variant_args: ["quantile"],
  },
  {
    query: "quantile_over_time({{.quantile}}, demo_memory_usage_bytes[{{.range}}])",
    variant_args: ["quantile", "range"],
  },
  {
    query: "histogram_quantile({{.quantile}}, rate(demo_api_request_duration_seconds_bucket[1m]))",
    variant_args: ["quantile"],
  },
  {
    query:
      "histogram_quantile({{.quantile}}, sum by (le, path) (rate(demo_api_request_duration_seconds_bucket[{{.range}}])))",
    variant_args: ["quantile", "range"],
  },
  { query: "histogram_quantile(0.9, nonexistent_metric)" },
  { query: 'histogram_quantile(0.9, {__name__=~"demo_api_request_duration_seconds_.+"})' },
  { query: "{{.angleFunc}}(demo_special)", variant_args: ["angleFunc"] },
  { query: "{{.angleFunc}}(demo_memory_usage_bytes / 1e10)", variant_args: ["angleFunc"] },
  { query: "{{.simpleMathFunc}}(demo_special)", variant_args: ["simpleMathFunc"] },
  { query: "{{.simpleAggrOp}}(demo_special)", variant_args: ["simpleAggrOp"] },
  { query: "{{.simpleAggrOp}} by (kind) (demo_special)", variant_args: ["simpleAggrOp"] },
  {
    query: "{{.simpleTimeAggrOp}}_over_time(demo_special[{{.range}}])",
    variant_args: ["simpleTimeAggrOp", "range"],
  },
  {
    query: "{{.simpleTimeAggrOp}}_over_time(demo_intermittent_metric[{{.range}}])",
    variant_args: ["simpleTimeAggrOp", "range"],
  },
  {
    query:
      "{{.simpleTimeAggrOp}}_over_time(demo_memory_usage_bytes[{{.range}}] offset {{.offset}})",
    variant_args: ["simpleTimeAggrOp", "range", "offset"],
  },
  {
    query: "{{.extrapolatedRateFunc}}(demo_items_shipped_total[{{.range}}] offset {{.offset}})",
    variant_args: ["extrapolatedRateFunc", "range", "offset"],
  },
  {
    query: "{{.instantRateFunc}}(demo_items_shipped_total[{{.range}}] offset {{.offset}})",
    variant_args: ["instantRateFunc", "range", "offset"],
  },
  {
    query: "{{.extrapolatedRateFunc}}(demo_special[{{.range}}])",
    variant_args: ["extrapolatedRateFunc", "range"],
  },
  {
    query: "{{.extrapolatedRateFunc}}(demo_intermittent_metric[{{.range}}])",
    variant_args: ["extrapolatedRateFunc", "range"],
  },
  {
    query: "sum by (mode) ({{.extrapolatedRateFunc}}(demo_cpu_usage_seconds_total[{{.range}}]))",
    variant_args: ["extrapolatedRateFunc", "range"],
  },
  { query: "deriv(demo_disk_usage_bytes[{{.range}}])", variant_args: ["range"] },
  {
    query: "predict_linear(demo_disk_usage_bytes[{{.range}}] offset {{.offset}}, -600)",
    variant_args: ["range", "offset"],
  },
  { query: "resets(demo_items_shipped_total[{{.range}}])", variant_args: ["range"] },
  { query: "changes(demo_num_cpus[{{.range}}])", variant_args: ["range"] },
  { query: "changes(demo_special[{{.range}}])", variant_args: ["range"] },
  { query: "present_over_time(demo_intermittent_metric[{{.range}}])", variant_args: ["range"] },
  { query: "absent_over_time(demo_intermittent_metric[{{.range}}])", variant_args: ["range"] },
  { query: "absent(demo_intermittent_metric)" },
  { query: 'absent_over_time(nonexistent{job="demo", instance=~"x.*"}[5m])' },
  {
    query:
      "holt_winters(demo_disk_usage_bytes[{{.range}}], {{.smoothingFactor}}, {{.trendFactor}})",
    variant_args: ["range", "smoothingFactor", "trendFactor"],
  },
  { query: "{{.topBottomOp}}(3, demo_memory_usage_bytes)", variant_args: ["topBottomOp"] },
  {
    query: "{{.topBottomOp}} by (type) (1, demo_memory_usage_bytes)",
    variant_args: ["topBottomOp"],
  },
  { query: "{{.topBottomOp}}(0, demo_memory_usage_bytes)", variant_args: ["topBottomOp"] },
  { query: 'count_values("value", demo_num_cpus)' },
  { query: 'count_values by (instance) ("value", round(demo_memory_usage_bytes, 1e9))' },
  { query: "group by (type) (demo_memory_usage_bytes)" },
  {
    query: 'demo_memory_usage_bytes {{.setOp}} demo_memory_usage_bytes{type="used"}',
    variant_args: ["setOp"],
  },
  {
    query: "demo_memory_usage_bytes {{.setOp}} on (instance) demo_num_cpus",
    variant_args: ["setOp"],
  },
  {
    query: "demo_memory_usage_bytes {{.setOp}} ignoring (type) demo_num_cpus",
    variant_args: ["setOp"],
  },
  {
    query: "demo_num_cpus {{.binOp}} on (instance) demo_disk_usage_bytes",
    variant_args: ["binOp"],
  },
  {
    query: "demo_memory_usage_bytes {{.binOp}} ignoring (type) group_left demo_num_cpus",
    variant_args: ["binOp"],
  },
  {
    query: "demo_num_cpus {{.binOp}} on (instance) group_right (job) demo_memory_usage_bytes",
    variant_args: ["binOp"],
  },
  {
    query:
      "demo_memory_usage_bytes {{.compBinOp}} bool on (instance, type) demo_memory_usage_bytes offset {{.offset}}",
    variant_args: ["compBinOp", "offset"],
  },
  {
    query: "demo_memory_usage_bytes {{.compBinOp}} demo_memory_usage_bytes offset {{.offset}}",
    variant_args: ["compBinOp", "offset"],
  },
  { query: "demo_special {{.binOp}} demo_special", variant_args: ["binOp"] },
  { query: "demo_special {{.binOp}} 0", variant_args: ["binOp"] },
  { query: "0 {{.binOp}} demo_special", variant_args: ["binOp"] },
  { query: "demo_special atan2 demo_special" },
  { query: "1 {{.compBinOp}} 2", variant_args: ["compBinOp"], should_fail: true },
  {
    query: "(2 {{.arithBinOp}} 3) {{.compBinOp}} bool 5",
    variant_args: ["arithBinOp", "compBinOp"],
  },
  { query: "demo_num_cpus * on (job) demo_num_cpus", should_fail: true },
  { query: "demo_memory_usage_bytes @ end()" },
  { query: "demo_memory_usage_bytes @ start() offset {{.offset}}", variant_args: ["offset"] },
  { query: "rate(demo_cpu_usage_seconds_total[{{.range}}] @ end())", variant_args: ["range"] },
  { query: "demo_memory_usage_bytes offset -{{.offset}}", variant_args: ["offset"] },
  {
    query: "max_over_time(rate(demo_cpu_usage_seconds_total[{{.range}}])[10m:1m])",
    variant_args: ["range"],
  },
  {
    query: "{{.simpleTimeAggrOp}}_over_time(demo_num_cpus[{{.range}}:7s])",
    variant_args: ["simpleTimeAggrOp", "range"],
  },
  {
    query: "avg_over_time((demo_memory_usage_bytes * 2)[5m:] offset {{.offset}})",
    variant_args: ["offset"],
  },
  { query: "sum(sum_over_time(up[{{.range}}]))", variant_args: ["range"] },
  { query: "timestamp(demo_memory_usage_bytes offset {{.offset}})", variant_args: ["offset"] },
  { query: "scalar(demo_num_cpus)" },
  { query: 'scalar(demo_num_cpus{instance="demo.example.com:10000"})' },
  { query: "vector(scalar(sum(demo_num_cpus)))" },
  { query: "sort_desc(demo_disk_usage_bytes)" },
  { query: 'label_join(demo_num_cpus, "all", "", "job", "instance", "nothing")' },
  { query: 'label_replace(demo_memory_usage_bytes, "host", "$1", "instance", "(.*):.*")' },
  { query: 'label_replace(demo_memory_usage_bytes, "type", "", "type", ".*")', should_fail: true },
  { query: '{__name__=~"demo_(num|disk).*", instance!~".*1"}' },
  { query: 'demo_memory_usage_bytes{type=~"free|used", nothing=""}' },
  { query: 'sum by (type) (demo_memory_usage_bytes{type!~""})' },
  { query: "pi() * demo_num_cpus" },
  { query: "rate(demo_memory_usage_bytes[5m])[5m]", should_fail: true },
  { query: "sum(", should_fail: true },
  { query: "rate(demo_memory_usage_bytes)", should_fail: true },
  { query: "nonexistent_function(up)", should_fail: true },
  { query: "{}", should_fail: true },
];
