/** Turns an evaluated value into the TypeScript value of an argument type. Throws {@link DecodeFault} with the path to what does not fit. */
import { Labels, parseBytes, parseGoDuration } from "@finch/model";
import {
  Capsule,
  describeKind,
  isObject,
  toArray,
  toBool,
  toNumber,
  toObject,
  toSecret,
  toText,
  ValueFault,
} from "@finch/alloy-syntax";
import type { Value } from "@finch/alloy-syntax";
import { describeError } from "@finch/runtime";
import type {
  LogsReceiver,
  MetricsReceiver,
  ProfilesReceiver,
  Receiver,
  Target,
  TelemetryConsumer,
} from "../receivers.ts";
import type { OtelHandler } from "../otel/handler.ts";
import type { RelabelRule } from "../relabel.ts";
import type { Attribute, AttributeTypeName, AttributeTypes } from "../schema.ts";

export class DecodeFault extends Error {
  /** Indices and keys from the attribute's value to the part at fault. */
  readonly path: readonly (number | string)[];

  constructor(message: string, path: readonly (number | string)[]) {
    super(message);
    this.path = path;
  }
}

type Decoders = { readonly [Name in AttributeTypeName]: (value: Value) => AttributeTypes[Name] };

const DECODERS: Decoders = {
  string: toText,
  bool: toBool,
  number: (value) => finiteNumber(toNumber(value)),
  duration: toDurationMs,
  bytes: toBytes,
  secret: toSecret,
  "list(string)": (value) => eachElement(value, toText),
  "list(number)": (value) => eachElement(value, (element) => finiteNumber(toNumber(element))),
  "list(secret)": (value) => eachElement(value, toSecret),
  "map(string)": (value) => eachField(value, toText),
  "map(secret)": (value) => eachField(value, toSecret),
  "map(list(string))": (value) => eachField(value, (list) => eachElement(list, toText)),
  "map(list(secret))": (value) => eachField(value, (list) => eachElement(list, toSecret)),
  "list(target)": (value) => eachElement(value, toTarget),
  "list(metrics-receiver)": (value) =>
    eachElement(value, (element) => toReceiver<MetricsReceiver>(element, "metrics-receiver")),
  "list(logs-receiver)": (value) =>
    eachElement(value, (element) => toReceiver<LogsReceiver>(element, "logs-receiver")),
  "list(profiles-receiver)": (value) =>
    eachElement(value, (element) => toReceiver<ProfilesReceiver>(element, "profiles-receiver")),
  "list(otel-consumer)": (value) =>
    eachElement(value, (element) => toReceiver<TelemetryConsumer>(element, "otel-consumer")),
  "otel-handler": (value) => toReceiver<OtelHandler>(value, "otel-handler"),
  "relabel-rules": toRules,
  any: (value) => value,
};

/** Decodes the value of an attribute that is written, and holds it to the attribute's bounds and choices. */
export function decodeValue(attribute: Attribute, value: Value): unknown {
  if (value === null && attribute.presence === "maybe") return undefined;
  const decoded = at([], () => DECODERS[attribute.type](value));
  const { oneOf, bounds } = attribute;
  if (oneOf !== undefined && typeof decoded === "string" && !oneOf.includes(decoded)) {
    throw new DecodeFault(
      `unrecognized value ${JSON.stringify(decoded)}, expected one of ${oneOf.join(", ")}`,
      [],
    );
  }
  if (typeof decoded === "number") {
    const unit = attribute.type === "duration" ? " ms" : attribute.type === "bytes" ? " bytes" : "";
    if (bounds.min !== undefined && decoded < bounds.min)
      throw new DecodeFault(
        attribute.type === "duration" && typeof value !== "string"
          ? 'a number is a duration in nanoseconds, and this one is too short; write it with its unit, such as "15s"'
          : `must be at least ${bounds.min}${unit}, got ${decoded}`,
        [],
      );
    if (bounds.max !== undefined && decoded > bounds.max)
      throw new DecodeFault(`must be at most ${bounds.max}${unit}, got ${decoded}`, []);
  }
  return decoded;
}

/** Runs `decode`; faults get the path in front. */
function at<Result>(path: readonly (number | string)[], decode: () => Result): Result {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeFault)
      throw new DecodeFault(error.message, [...path, ...error.path]);
    if (error instanceof ValueFault) throw new DecodeFault(error.message, path);
    throw error;
  }
}

function eachElement<Result>(value: Value, decode: (element: Value) => Result): readonly Result[] {
  return toArray(value).map((element, index) => at([index], () => decode(element)));
}

function eachField<Result>(
  value: Value,
  decode: (field: Value) => Result,
): Readonly<Record<string, Result>> {
  const fields: [string, Result][] = [];
  for (const [key, field] of toObject(value)) fields.push([key, at([key], () => decode(field))]);
  return Object.fromEntries(fields);
}

function finiteNumber(value: number | bigint): number {
  const number = Number(value);
  if (!Number.isFinite(number)) throw new ValueFault("expected a finite number");
  return number;
}

/** `"15s"`, in Go's notation; a bare number counts nanoseconds, as in Go. */
function toDurationMs(value: Value): number {
  if (typeof value === "number" || typeof value === "bigint") return Number(value) / 1e6;
  try {
    return value === null ? 0 : parseGoDuration(toText(value)) / 1e6;
  } catch (error) {
    if (error instanceof ValueFault)
      throw new ValueFault(`expected duration such as "15s", got ${describeKind(value)}`);
    throw new ValueFault(describeError(error));
  }
}

function toBytes(value: Value): number {
  if (typeof value === "number" || typeof value === "bigint") return finiteNumber(value);
  try {
    return value === null ? 0 : parseBytes(toText(value));
  } catch (error) {
    if (error instanceof ValueFault)
      throw new ValueFault(`expected size such as "1MiB", got ${describeKind(value)}`);
    throw new ValueFault(describeError(error));
  }
}

function toTarget(value: Value): Target {
  if (value instanceof Capsule && value.content instanceof Labels) return value.content;
  if (!isObject(value))
    throw new ValueFault(
      `target::ConvertFrom: conversion from '${typeof value === "bigint" ? "int64" : describeKind(value)}' is not supported`,
    );
  return Labels.fromObject(eachField(value, toText));
}

function toReceiver<Wanted extends Receiver | OtelHandler>(
  value: Value,
  kind: Wanted["kind"],
): Wanted {
  const content = value instanceof Capsule ? (value.content as Partial<Wanted> | null) : undefined;
  if (content?.kind === kind) return content as Wanted;
  throw new ValueFault(
    `expected capsule(${JSON.stringify(CAPSULE_NAMES[kind])}), got ${describeKind(value)}`,
  );
}

/** How receivers are called in messages. */
export const CAPSULE_NAMES = {
  "metrics-receiver": "MetricsReceiver",
  "logs-receiver": "LogsReceiver",
  "profiles-receiver": "ProfilesReceiver",
  "otel-consumer": "otelcol.Consumer",
  "otel-handler": "otelcol.Handler",
} as const;

export const RULES_CAPSULE = "RelabelRules";

function toRules(value: Value): readonly RelabelRule[] {
  if (value === null) return [];
  if (value instanceof Capsule && value.type === RULES_CAPSULE)
    return value.content as readonly RelabelRule[];
  throw new ValueFault(`expected the rules of a relabel component, got ${describeKind(value)}`);
}
