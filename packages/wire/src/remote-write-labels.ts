/** Label messages of remote write, `Label { name = 1, value = 2 }` under field 1: where they end, what is wrong with them, what they say. */
import { isAscii } from "node:buffer";
import { ProtobufReader, WIRE_BYTES } from "@finch/codec";
import type { RemoteWriteLimits } from "./limits.ts";
import { bufferOver, isUtf8Range } from "./text-bytes.ts";

const TAG_LABEL = (1 << 3) | WIRE_BYTES;
const TAG_NAME = (1 << 3) | WIRE_BYTES;
const TAG_LABEL_VALUE = (2 << 3) | WIRE_BYTES;

/**
 * Where the labels that begin at `start` end, if they are plain: name before value, lengths of one byte, names ascending, none empty, all within
 * the limits, with a metric name. Anything else is -1, for {@link checkLabels} to judge. Says nothing about UTF-8.
 */
export function scanPlainLabels(
  bytes: Uint8Array,
  start: number,
  end: number,
  limits: RemoteWriteLimits,
): number {
  const { labelNameBytesMax, labelValueBytesMax } = limits;
  let left = limits.labelsPerSeriesMax;
  let named = false;
  let previous = 0;
  let previousEnd = 0;
  let at = start;
  while (at < end && bytes[at] === TAG_LABEL) {
    if (at + 6 > end) return -1;
    const length = bytes[at + 1]!;
    const nameLength = bytes[at + 3]!;
    const name = at + 4;
    const nameEnd = name + nameLength;
    const labelEnd = at + 2 + length;
    if (
      length >= 0x80 ||
      labelEnd > end ||
      bytes[at + 2] !== TAG_NAME ||
      nameLength === 0 ||
      nameEnd + 2 > labelEnd
    )
      return -1;
    const valueLength = bytes[nameEnd + 1]!;
    if (bytes[nameEnd] !== TAG_LABEL_VALUE || nameEnd + 2 + valueLength !== labelEnd) return -1;
    if (nameLength > labelNameBytesMax || valueLength > labelValueBytesMax || --left < 0) return -1;
    if (compareRanges(bytes, previous, previousEnd, name, nameEnd) >= 0) return -1;
    if (!named && valueLength > 0 && isMetricName(bytes, name, nameEnd)) named = true;
    previous = name;
    previousEnd = nameEnd;
    at = labelEnd;
  }
  return named ? at : -1;
}

/** Why labels cannot be stored. */
export interface LabelFault {
  readonly message: string;
  /** Whether a limit of ours is passed; otherwise no receiver would take them. */
  readonly overLimit: boolean;
}

/** What is wrong with the labels in `bytes[start … end)`, or undefined. Sorted labels, which all senders send, take one pass. */
export function checkLabels(
  bytes: Uint8Array,
  start: number,
  end: number,
  limits: RemoteWriteLimits,
): LabelFault | undefined {
  const reader = new ProtobufReader(bytes, start, end);
  const ascii = isAscii(bytes.subarray(start, end));
  let previousStart = 0;
  let previousEnd = 0;
  let sorted = true;
  let named = false;
  let count = 0;
  while (reader.more()) {
    if (reader.readTag() !== TAG_LABEL) {
      reader.skip();
      continue;
    }
    const outer = reader.enter();
    let nameStart = 0;
    let nameEnd = 0;
    let valueStart = 0;
    let valueEnd = 0;
    while (reader.more()) {
      const tag = reader.readTag();
      if (tag === TAG_NAME) {
        nameStart = reader.readSpan();
        nameEnd = reader.position;
      } else if (tag === TAG_LABEL_VALUE) {
        valueStart = reader.readSpan();
        valueEnd = reader.position;
      } else reader.skip();
    }
    reader.leave(outer);
    if (++count > limits.labelsPerSeriesMax)
      return overLimit(`it has more than ${limits.labelsPerSeriesMax} labels`);
    if (nameStart === nameEnd) return invalid(`the name of label ${count - 1} is empty`);
    if (nameEnd - nameStart > limits.labelNameBytesMax)
      return overLimit(
        `the name of label ${count - 1} is longer than ${limits.labelNameBytesMax} bytes`,
      );
    if (valueEnd - valueStart > limits.labelValueBytesMax)
      return overLimit(
        `the value of label ${count - 1} is longer than ${limits.labelValueBytesMax} bytes`,
      );
    if (
      !ascii &&
      !(isUtf8Range(bytes, nameStart, nameEnd) && isUtf8Range(bytes, valueStart, valueEnd))
    )
      return invalid(`label ${count - 1} is not valid UTF-8`);
    if (count > 1 && compareRanges(bytes, previousStart, previousEnd, nameStart, nameEnd) >= 0)
      sorted = false;
    if (valueEnd > valueStart && isMetricName(bytes, nameStart, nameEnd)) named = true;
    previousStart = nameStart;
    previousEnd = nameEnd;
  }
  if (!named) return invalid("it has no __name__");
  return sorted ? undefined : checkUnsorted(bytes, start, end);
}

function checkUnsorted(bytes: Uint8Array, start: number, end: number): LabelFault | undefined {
  const pairs = readLabelPairs(bytes, start, end);
  const names = new Set<string>();
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i]!;
    if (names.has(name)) return invalid(`label ${JSON.stringify(name)} is given twice`);
    names.add(name);
  }
  return undefined;
}

function invalid(message: string): LabelFault {
  return { message, overLimit: false };
}

function overLimit(message: string): LabelFault {
  return { message, overLimit: true };
}

function compareRanges(
  bytes: Uint8Array,
  a: number,
  aEnd: number,
  b: number,
  bEnd: number,
): number {
  let i = a;
  let j = b;
  while (i < aEnd && j < bEnd) {
    const difference = bytes[i++]! - bytes[j++]!;
    if (difference !== 0) return difference;
  }
  return aEnd - i - (bEnd - j);
}

const METRIC_NAME = new Uint8Array(Buffer.from("__name__"));

function isMetricName(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== METRIC_NAME.length) return false;
  for (let i = 0; i < METRIC_NAME.length; i++)
    if (bytes[start + i] !== METRIC_NAME[i]) return false;
  return true;
}

/** `name, value, …` of label messages that were checked; other fields between them are passed over. */
export function readLabelPairs(bytes: Uint8Array, start: number, end: number): string[] {
  const buffer = bufferOver(bytes);
  const reader = new ProtobufReader(bytes, start, end);
  const pairs: string[] = [];
  while (reader.more()) {
    if (reader.readTag() !== TAG_LABEL) {
      reader.skip();
      continue;
    }
    const outer = reader.enter();
    let name = "";
    let value = "";
    while (reader.more()) {
      const tag = reader.readTag();
      if (tag === TAG_NAME) name = readString(reader, buffer);
      else if (tag === TAG_LABEL_VALUE) value = readString(reader, buffer);
      else reader.skip();
    }
    reader.leave(outer);
    pairs.push(name, value);
  }
  return pairs;
}

export function readString(reader: ProtobufReader, buffer: Buffer): string {
  const at = reader.readSpan();
  return buffer.toString("utf8", at, reader.position);
}
