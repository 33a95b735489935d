/**
 * Metrics pushed as text or OpenMetrics: `/api/v1/import/prometheus`, where each sample is stored as it is sent, and the Pushgateway's
 * `/metrics/job/JOB/LABEL/VALUE…`, whose path groups what jobs push that end before anyone could scrape them.
 * Unlike a Pushgateway, nothing is kept to be told again: a pushed value is a sample of the moment it was pushed, found by queries for the lookback
 * and by `last_over_time` beyond it. What a push replaces or deletes ends at once with a stale marker. Which series a group has is remembered in
 * memory; after a restart a group begins anew, and series that its next push leaves out end with the lookback instead.
 */
import { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import {
  batchOfExposition,
  DEFAULT_EXPOSITION_LIMITS,
  DEFAULT_REMOTE_WRITE_LIMITS,
  parseExposition,
  SampleBatchBuilder,
} from "@finch/wire";
import type { Exposition } from "@finch/wire";
import { readEncodedBody } from "../encoded-body.ts";
import { parseGroupingKey } from "./write-grouping-key.ts";
import type { TextWriteContext } from "./write-influx.ts";

/** Groups and series remembered; of more, the group pushed to longest ago is forgotten. */
const GROUPS_MAX = 1000;
const SERIES_MAX = 100_000;

/** Series of a group by metric name. */
type Group = Map<string, readonly Labels[]>;

export function createTextRoutes(context: TextWriteContext): readonly HttpRoute[] {
  const groups = new Groups();
  const route = (
    path: string,
    methods: HttpRoute["methods"],
    handle: HttpRoute["handle"],
  ): HttpRoute => ({ kind: "http", methods, path, faults: "text", handle });
  const push = (request: HttpRequest) => pushGroup(context, groups, request);
  return [
    route("/api/v1/import/prometheus", ["POST"], (request) => importText(context, request)),
    route("/metrics/job/*", ["POST", "PUT", "DELETE"], push),
    route("/metrics/job@base64/*", ["POST", "PUT", "DELETE"], push),
  ];
}

/** `extra_label=name=value` adds labels, `timestamp` is the time in milliseconds of samples without one. */
async function importText(context: TextWriteContext, request: HttpRequest): Promise<HttpReply> {
  const extra = request.query.getAll("extra_label").map((text) => {
    const [name = "", ...value] = text.split("=");
    if (name === "" || value.length === 0)
      throw bad(`invalid parameter "extra_label": ${JSON.stringify(text)} is not name=value`);
    return [name, value.join("=")] as const;
  });
  const timestamp = request.query.get("timestamp") ?? "";
  if (!/^-?\d{0,15}$/.test(timestamp))
    throw bad(`invalid parameter "timestamp": give Unix milliseconds`);
  const nowMs = timestamp === "" ? context.clock.nowMs() : Number(timestamp);
  const exposition = await readExposition(context, request);
  await store(context, exposition, { nowMs, labels: extra });
  return { status: 204 };
}

async function pushGroup(
  context: TextWriteContext,
  groups: Groups,
  request: HttpRequest,
): Promise<HttpReply> {
  const { key, labels: grouping } = parseGroupingKey(request.path);
  const nowMs = context.clock.nowMs();
  if (request.method === "DELETE") {
    await end(context, groups.seriesOf(key), nowMs);
    groups.delete(key);
    return { status: 202 };
  }
  const exposition = await readExposition(context, request);
  if (exposition.timestampsMs.some((time) => !Number.isNaN(time)))
    throw bad("pushed metrics must not have timestamps");
  const labels = grouping.some(([name]) => name === "instance")
    ? grouping
    : [...grouping, ["instance", ""] as const];
  const pushed = await store(context, withPushTime(exposition, nowMs), { nowMs, labels });
  const replaced = groups.replace(key, pushed, { whole: request.method === "PUT" });
  await end(context, replaced, nowMs);
  return { status: 200 };
}

async function readExposition(
  context: TextWriteContext,
  request: HttpRequest,
): Promise<Exposition> {
  const { limits } = context;
  return parseExposition(await readEncodedBody(request, limits), {
    contentType: request.header("content-type") || undefined,
    limits: { ...DEFAULT_EXPOSITION_LIMITS, ...limits.labels },
  });
}

/** The time of the push, which alerts on jobs that stopped pushing are made of. */
function withPushTime(exposition: Exposition, nowMs: number): Exposition {
  const { count } = exposition;
  const values = new Float64Array(count + 1);
  values.set(exposition.values.subarray(0, count));
  values[count] = nowMs / 1000;
  return {
    ...exposition,
    count: count + 1,
    labels: [...exposition.labels, Labels.fromObject({ __name__: "push_time_seconds" })],
    values,
    timestampsMs: new Float64Array(count + 1).fill(Number.NaN),
  };
}

/** Stores an exposition under further labels, which win over its own; returns what its series are called then. */
async function store(
  { ingest, limits }: TextWriteContext,
  exposition: Exposition,
  at: { readonly nowMs: number; readonly labels: readonly (readonly [string, string])[] },
): Promise<readonly Labels[]> {
  const series: Labels[] = [];
  const batch = batchOfExposition(exposition, {
    limits: DEFAULT_REMOTE_WRITE_LIMITS,
    nowMs: at.nowMs,
    relabel: (own) => {
      let labels = own;
      for (const [name, value] of at.labels) labels = labels.with(name, value);
      if (labels.size > limits.labels.labelsPerSeriesMax)
        throw bad(
          `series has ${labels.size} labels, ${limits.labels.labelsPerSeriesMax} are allowed: ${labels.toString().slice(0, 1000)}`,
        );
      series.push(labels);
      return labels;
    },
  });
  const { told } = await ingest.ingest(batch);
  if (told.length > 0) throw new FinchError("invalid", "server/write-refused", told.join("\n"));
  return series;
}

/** Ends series at once. */
async function end(
  { ingest }: TextWriteContext,
  series: readonly Labels[],
  nowMs: number,
): Promise<void> {
  if (series.length === 0) return;
  const builder = new SampleBatchBuilder(DEFAULT_REMOTE_WRITE_LIMITS, series.length);
  for (const labels of series) {
    builder.beginSeries();
    builder.writeLabels(labels);
    // A millisecond on: what was pushed at this very moment must not be contradicted.
    builder.addStale(nowMs + 1);
    builder.endSeries();
  }
  await ingest.ingest(builder.finish());
}

/** Which series groups have; least recently pushed first. */
class Groups {
  readonly #groups = new Map<string, Group>();
  #series = 0;

  seriesOf(key: string): readonly Labels[] {
    return [...(this.#groups.get(key)?.values() ?? [])].flat();
  }

  delete(key: string): void {
    this.#series -= this.seriesOf(key).length;
    this.#groups.delete(key);
  }

  /** Notes what was pushed, in place of the metrics of the same names or of the whole group; returns the series that are no more. */
  replace(
    key: string,
    pushed: readonly Labels[],
    { whole }: { readonly whole: boolean },
  ): readonly Labels[] {
    const before = this.#groups.get(key) ?? new Map<string, readonly Labels[]>();
    const group: Group = whole ? new Map() : new Map(before);
    const byName = Map.groupBy(pushed, (labels) => labels.get("__name__"));
    for (const [name, series] of byName) group.set(name, series);
    const kept = new Set([...group.values()].flat().map((labels) => labels.key));
    const gone = [...before.values()].flat().filter((labels) => !kept.has(labels.key));
    this.delete(key);
    this.#groups.set(key, group);
    this.#series += this.seriesOf(key).length;
    this.#forgetOldest();
    return gone;
  }

  #forgetOldest(): void {
    for (const [oldest, group] of this.#groups) {
      if (this.#groups.size <= GROUPS_MAX && this.#series <= SERIES_MAX) return;
      this.#groups.delete(oldest);
      this.#series -= [...group.values()].flat().length;
    }
  }
}

function bad(message: string): FinchError {
  return new FinchError("invalid", "server/bad-push", message);
}
