/** The fleet's API in JSON: what is answered, and what is read. Unknown keys are refused, so that a misspelt one is not taken for a default. */
import { closestName, FinchError } from "@finch/runtime";
import type { CollectorView } from "./collector-view.ts";
import type { ConfigurationEdit, ConfigurationVersion } from "./configuration-store.ts";
import { STAGES_MAX } from "./limits.ts";
import { DEFAULT_POLICY, DEFAULT_STAGES } from "./rollout-runner.ts";
import type { RolloutPlan } from "./rollout-runner.ts";
import type { HealthPolicy, RolloutStage } from "./rollout-state.ts";
import type { Rollout } from "./rollout-store.ts";
import { parseSelector } from "./selector.ts";

export function collectorJson(view: CollectorView) {
  const { firstContactMs, lastContactMs, statusAtMs, configuration, figures, ...rest } = view;
  return {
    ...rest,
    firstContact: timeText(firstContactMs),
    lastContact: timeText(lastContactMs),
    statusAt: statusAtMs === undefined ? null : timeText(statusAtMs),
    configuration: configuration ?? null,
    figures: figures ?? null,
  };
}

export function versionJson(version: ConfigurationVersion) {
  const { configuration, number, hash, comment, author, createdAtMs } = version;
  return {
    name: configuration,
    version: number,
    hash,
    comment,
    author,
    createdAt: timeText(createdAtMs),
  };
}

export function rolloutJson(rollout: Rollout, version: ConfigurationVersion) {
  const { state, policy } = rollout;
  return {
    id: rollout.id,
    configuration: version.configuration,
    version: version.number,
    hash: version.hash,
    selector: rollout.selector.text,
    state: state.kind,
    stage: state.stage + 1,
    since: timeText(state.sinceMs),
    reason: state.reason,
    stages: rollout.stages.map(({ size, pauseMs }) => ({
      [size.kind]: size.value,
      pauseSeconds: pauseMs / 1000,
    })),
    health: {
      unhealthyMax: policy.unhealthyMax,
      applyTimeoutSeconds: policy.applyTimeoutMs / 1000,
      silentAfterSeconds: policy.silentAfterMs / 1000,
      errorShareMax: policy.errorShareMax,
    },
    author: rollout.author,
    createdAt: timeText(rollout.createdAtMs),
  };
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

/** `{"text"}`. */
export function readText(body: unknown): { readonly text: string } {
  const fields = fieldsOf(body, "the body", ["text"]);
  return { text: textOf(fields, "text") };
}

/** `{"text", "comment"?, "basedOn"?}`. */
export function readEdit(name: string, body: unknown): ConfigurationEdit {
  const fields = fieldsOf(body, "the body", ["text", "comment", "basedOn"]);
  return {
    name,
    text: textOf(fields, "text"),
    comment: textOf(fields, "comment", ""),
    basedOn: optionalNumber(fields, "basedOn", { least: 0, most: 1e9 }),
  };
}

/** `{"reason"?}`. */
export function readReason(body: unknown): string {
  return textOf(fieldsOf(body, "the body", ["reason"]), "reason", "").slice(0, 500);
}

/** `{"configuration", "version"?, "selector", "stages"?, "health"?}`. */
export function readRolloutRequest(body: unknown): Omit<RolloutPlan, "version"> & {
  readonly configuration: string;
  readonly number: number | undefined;
} {
  const names = ["configuration", "version", "selector", "stages", "health"];
  const fields = fieldsOf(body, "the body", names);
  return {
    configuration: textOf(fields, "configuration"),
    number: optionalNumber(fields, "version", { least: 1, most: 1e9 }),
    selector: parseSelector(textOf(fields, "selector")),
    stages: readStages(fields["stages"]),
    policy: readPolicy(fields["health"]),
  };
}

const SECONDS_MAX = 7 * 24 * 3600;

function readStages(value: unknown): readonly RolloutStage[] {
  if (value === undefined) return DEFAULT_STAGES;
  if (!Array.isArray(value) || value.length === 0 || value.length > STAGES_MAX)
    throw badRequest(`stages must be a list of 1 to ${STAGES_MAX}`);
  return value.map((stage: unknown, index) => {
    const where = `stages[${index}]`;
    const fields = fieldsOf(stage, where, ["collectors", "percent", "pauseSeconds"]);
    const collectors = optionalNumber(fields, "collectors", { least: 1, most: 1e6, where });
    const percent = optionalNumber(fields, "percent", { least: 1, most: 100, where });
    if ((collectors === undefined) === (percent === undefined))
      throw badRequest(`${where} needs one of collectors and percent`);
    const pause = optionalNumber(fields, "pauseSeconds", { least: 0, most: SECONDS_MAX, where });
    return {
      size:
        collectors === undefined
          ? { kind: "percent", value: percent! }
          : { kind: "collectors", value: collectors },
      pauseMs: (pause ?? 300) * 1000,
    };
  });
}

function readPolicy(value: unknown): HealthPolicy {
  if (value === undefined) return DEFAULT_POLICY;
  const where = "health";
  const names = ["unhealthyMax", "applyTimeoutSeconds", "silentAfterSeconds", "errorShareMax"];
  const fields = fieldsOf(value, where, names);
  const number = (name: string, least: number, most: number) =>
    optionalNumber(fields, name, { least, most, where });
  const milliseconds = (name: string, otherwise: number) => {
    const seconds = number(name, 1, SECONDS_MAX);
    return seconds === undefined ? otherwise : seconds * 1000;
  };
  return {
    unhealthyMax: number("unhealthyMax", 0, 1e6) ?? DEFAULT_POLICY.unhealthyMax,
    applyTimeoutMs: milliseconds("applyTimeoutSeconds", DEFAULT_POLICY.applyTimeoutMs),
    silentAfterMs: milliseconds("silentAfterSeconds", DEFAULT_POLICY.silentAfterMs),
    errorShareMax: number("errorShareMax", 0, 1) ?? DEFAULT_POLICY.errorShareMax,
  };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown, what: string, names: readonly string[]): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badRequest(`${what} must be a JSON object`);
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown === undefined) return value as Fields;
  const closest = closestName(unknown, names);
  const hint =
    closest === undefined ? `known are ${names.join(", ")}` : `did you mean "${closest}"?`;
  throw badRequest(`${what} has an unknown key ${JSON.stringify(unknown)}; ${hint}`);
}

function textOf(fields: Fields, name: string, otherwise?: string): string {
  const value = fields[name] ?? otherwise;
  if (typeof value === "string") return value;
  throw badRequest(value === undefined ? `${name} is missing` : `${name} must be a text`);
}

function optionalNumber(
  fields: Fields,
  name: string,
  bounds: { readonly least: number; readonly most: number; readonly where?: string },
): number | undefined {
  const value = fields[name];
  if (value === undefined) return undefined;
  const { least, most, where = "the body" } = bounds;
  const isWhole = most <= 1 || Number.isInteger(value);
  if (typeof value === "number" && value >= least && value <= most && isWhole) return value;
  throw badRequest(`${name} of ${where} must be a number from ${least} to ${most}`);
}

function badRequest(message: string): FinchError {
  return new FinchError("invalid", "control/bad-request", message);
}
