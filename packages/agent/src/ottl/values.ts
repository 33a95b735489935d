/**
 * Values of OTTL while it works. What telemetry holds is itself, live: a change of a map of attributes is a change of the record. Besides there are
 * times, durations and ids, which no attribute can hold. Null is nil, for fields that are not there and for values that are not set.
 */
import { formatFloat } from "@finch/model";
import type { AnyValue } from "@finch/wire";
import { attributeJson } from "../otel/attribute-values.ts";
import { OttlRunFault } from "./fault.ts";

/** An instant. `zone` only matters to how it is written. */
export class OttlTime {
  readonly ns: bigint;
  readonly zone: string;

  constructor(ns: bigint, zone = "UTC") {
    this.ns = ns;
    this.zone = zone;
  }
}

export class OttlDuration {
  readonly ns: bigint;

  constructor(ns: bigint) {
    this.ns = ns;
  }
}

/** A trace id (16 bytes) or span id (8 bytes), in small hexadecimal digits; all zeros where none is set. */
export class OttlId {
  readonly hex: string;

  constructor(hex: string) {
    this.hex = hex;
  }
}

/** Parts of telemetry that are handed on or counted whole: events of a span, data points. */
export class OttlParts {
  readonly name: string;
  readonly parts: unknown[];

  constructor(name: string, parts: unknown[]) {
    this.name = name;
    this.parts = parts;
  }
}

export type OttlMap = Map<string, AnyValue>;

export type OttlValue = AnyValue | OttlTime | OttlDuration | OttlId | OttlParts | OttlValue[];

/** As it is called in messages. */
export function typeOf(value: OttlValue): string {
  if (value === null) return "nil";
  if (typeof value === "bigint") return "an int";
  if (typeof value === "number") return "a double";
  if (typeof value === "boolean") return "a bool";
  if (typeof value === "string") return "a string";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Map) return "a map";
  if (Array.isArray(value)) return "a list";
  if (value instanceof OttlTime) return "a time";
  if (value instanceof OttlDuration) return "a duration";
  if (value instanceof OttlId) return value.hex.length === 32 ? "a trace id" : "a span id";
  return value.name;
}

/** A value as an attribute holds it, sharing nothing with where it came from. */
export function toStored(value: OttlValue): AnyValue {
  if (value instanceof Map) {
    const copy: OttlMap = new Map();
    for (const [key, item] of value) copy.set(key, toStored(item));
    return copy;
  }
  if (Array.isArray(value)) return value.map(toStored);
  if (value instanceof Uint8Array) return value.slice();
  if (typeof value !== "object" || value === null) return value;
  throw new OttlRunFault(
    `${typeOf(value)} cannot be stored; convert it, as with String or UnixNano`,
  );
}

/** What text functions make of any value; null stays null. */
export function toText(value: OttlValue): string | null {
  if (typeof value === "string" || value === null) return value;
  if (typeof value === "number") return formatFloat(value);
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (value instanceof OttlId) return value.hex;
  if (value instanceof Map || Array.isArray(value)) return toJson(value);
  throw new OttlRunFault(`${typeOf(value)} is no text`);
}

/** JSON as Go writes it: sorted keys, bytes as base64. */
export function toJson(value: OttlValue): string {
  return attributeJson(toStored(value));
}

/** By Unicode code points, which is the order of Go's strings. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === right) continue;
    // Surrogates stand for code points above all others.
    const isLeftHigh = left >= 0xd800 && left < 0xe000;
    const isRightHigh = right >= 0xd800 && right < 0xe000;
    if (isLeftHigh !== isRightHigh) return isLeftHigh ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}
