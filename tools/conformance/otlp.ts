/**
 * Runs OTLP cases: those of logs stand in `otlp-logs.ts`. Metric cases are each sent as JSON and as protobuf over HTTP: names of metrics and labels, and whole metrics with the series
 * expected of them. A case may set `strategy`, `promote_resource_attributes`, `promote_scope_metadata`, `keep_identifying_resource_attributes` and
 * `convert_histograms_to_nhcb`, as Prometheus' configuration calls them (`translation_strategy` too).
 */
import { DEFAULT_OTLP_OPTIONS } from "@finch/server";
import type { OtlpOptions } from "@finch/server";
import { OTLP_STRATEGIES } from "@finch/wire";
import type { OtlpEncoding, OtlpStrategy } from "@finch/wire";
import { encodeOtlpJson } from "../otlp-encode.ts";
import { runCases } from "./case-files.ts";
import { isLogCase, runLogCase } from "./otlp-logs.ts";
import type { OtlpLogCase } from "./otlp-logs.ts";
import { startMetricsServer } from "./metrics-server.ts";
import type { MetricsServer } from "./metrics-server.ts";
import { requestOf } from "./otlp-request.ts";
import type { CaseMetric } from "./otlp-request.ts";

interface OtlpCase {
  readonly id: string;
  readonly otlp?: CaseMetric;
  readonly prometheus?: string | null;
  readonly otlp_attribute?: string;
  readonly prometheus_label?: string | null;
  readonly resource?: Readonly<Record<string, unknown>>;
  readonly scope?: Readonly<Record<string, unknown>>;
  readonly metric?: CaseMetric;
  readonly metrics?: readonly CaseMetric[];
  readonly expect?: readonly {
    readonly series: Readonly<Record<string, string>>;
    readonly value?: number | string | null;
  }[];
  readonly [setting: string]: unknown;
}

export async function runOtlpFiles(
  paths: readonly string[],
  print: (line: string) => void,
): Promise<{ passed: number; failed: number }> {
  return await runCases<OtlpCase | OtlpLogCase>(paths, print, {
    files: /otlp.*(?:metrics|logs).*\.ya?ml$/,
    check: (one) =>
      runBoth((encoding) => (isLogCase(one) ? runLogCase(one, encoding) : runCase(one, encoding))),
  });
}

/** What is wrong with the answer to a case in either encoding, or undefined. */
async function runBoth(
  run: (encoding: OtlpEncoding) => Promise<string | undefined>,
): Promise<string | undefined> {
  for (const encoding of ["json", "protobuf"] as const) {
    const fault = await run(encoding);
    if (fault !== undefined) return `as ${encoding}: ${fault}`;
  }
  return undefined;
}

async function runCase(one: OtlpCase, encoding: OtlpEncoding): Promise<string | undefined> {
  const options = optionsOf(one);
  if (typeof options === "string") return options;
  await using server = await startMetricsServer({ otlp: options });
  const nowMs = Math.floor(Date.now() / 1000) * 1000;
  const given = metricsOf(one);
  if (given === undefined) return "the case has neither otlp, otlp_attribute nor metric";
  const request = requestOf({ ...one, metrics: given, nowMs });
  const answer = await server.send("/api/v1/otlp/v1/metrics", {
    headers: {
      "content-type": encoding === "json" ? "application/json" : "application/x-protobuf",
    },
    body: encoding === "json" ? JSON.stringify(request) : encodeOtlpJson(request),
  });
  const told = `${answer.status} ${answer.text.slice(0, 300)}`;
  if (one.expect === undefined && (one.prometheus === null || one.prometheus_label === null))
    return isPartial(answer.text) ? undefined : `answered ${told}, expected a rejection`;
  if (answer.status !== 200 || (isPartial(answer.text) && one["partial"] === undefined))
    return `answered ${told}`;
  if (one.otlp !== undefined) return await checkName(server, one);
  if (one.otlp_attribute !== undefined) return await checkLabel(server, one);
  return await checkSeries(server, one, nowMs);
}

/** Whether an answer says that something was not taken. A full success is an empty message. */
function isPartial(text: string): boolean {
  return text !== "{}" && text !== "";
}

function metricsOf(one: OtlpCase): readonly CaseMetric[] | undefined {
  if (one.otlp !== undefined) return [one.otlp];
  if (one.otlp_attribute !== undefined)
    return [{ name: "x", kind: "gauge", value: 1, attributes: { [one.otlp_attribute]: "v" } }];
  return one.metrics ?? (one.metric === undefined ? undefined : [one.metric]);
}

/** The options of a case; its settings may stand in it or under `settings` or `config`. */
function optionsOf(one: OtlpCase): OtlpOptions | string {
  const nested = { ...(one["settings"] as object), ...(one["config"] as object) };
  const setting = (name: string) =>
    (nested as Readonly<Record<string, unknown>>)[name] ?? one[name] ?? undefined;
  const strategy =
    setting("strategy") ?? setting("translation_strategy") ?? DEFAULT_OTLP_OPTIONS.strategy;
  if (!OTLP_STRATEGIES.includes(strategy as OtlpStrategy))
    return `unknown strategy ${JSON.stringify(strategy)}`;
  const all = setting("promote_all_resource_attributes") === true;
  return {
    strategy: strategy as OtlpStrategy,
    promoteResourceAttributes: all
      ? ["*"]
      : ((setting("promote_resource_attributes") ?? setting("promote") ?? []) as string[]),
    promoteScope: setting("promote_scope_metadata") === true || setting("promote_scope") === true,
    keepIdentifyingAttributes: setting("keep_identifying_resource_attributes") === true,
    convertHistograms: setting("convert_histograms_to_nhcb") === true || setting("nhcb") === true,
  };
}

/** The family is the name; a classic histogram's series carry suffixes. */
async function checkName(server: MetricsServer, one: OtlpCase): Promise<string | undefined> {
  const names = (await server.ask("/api/v1/label/__name__/values", {})) as readonly string[];
  const families = Object.keys((await server.ask("/api/v1/metadata", {})) as object);
  const { prometheus } = one;
  const isThere =
    names.includes(prometheus!) ||
    (names.includes(`${prometheus}_count`) && names.includes(`${prometheus}_sum`));
  if (isThere && families.includes(prometheus!)) return undefined;
  return `named ${names.join(", ") || "nothing"} (families ${families.join(", ")}), expected ${prometheus}`;
}

async function checkLabel(server: MetricsServer, one: OtlpCase): Promise<string | undefined> {
  const names = (await server.ask("/api/v1/labels", {})) as readonly string[];
  const values = (await server.ask("/api/v1/series", { "match[]": "x" })) as readonly Readonly<
    Record<string, string>
  >[];
  if (values[0]?.[one.prometheus_label!] === "v") return undefined;
  return `labelled ${names.filter((name) => name !== "__name__").join(", ")}, expected ${one.prometheus_label}`;
}

/** Exactly the series expected, with their values. */
async function checkSeries(
  server: MetricsServer,
  one: OtlpCase,
  nowMs: number,
): Promise<string | undefined> {
  const { result } = (await server.ask("/api/v1/query", {
    query: '{__name__=~".+"}',
    time: String(nowMs / 1000),
  })) as {
    result: readonly {
      metric: Readonly<Record<string, string>>;
      value?: readonly [number, string];
      histogram?: readonly [number, object];
    }[];
  };
  const actual = new Map(
    result.map(({ metric, value, histogram }) => [
      keyOf(metric),
      value?.[1] ?? JSON.stringify(histogram?.[1]),
    ]),
  );
  for (const { series, value } of one.expect ?? []) {
    const key = keyOf(series);
    const found = actual.get(key);
    if (found === undefined)
      return `no series ${key} among ${[...actual.keys()].join(" ") || "none"}`;
    actual.delete(key);
    if (
      value !== undefined &&
      value !== null &&
      Number(found) !== Number(value) &&
      found !== String(value)
    )
      return `${key} is ${found}, expected ${value}`;
  }
  return actual.size === 0 ? undefined : `unexpected series ${[...actual.keys()].join(" ")}`;
}

function keyOf(labels: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}=${JSON.stringify(String(value))}`,
  );
  return `{${pairs.toSorted().join(", ")}}`;
}
