/** Parts of OTLP's protobuf messages that all signals share: attributes, strings, times. */
import type { ProtobufReader } from "@finch/codec";
import { WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT } from "@finch/codec";
import { badBody } from "./errors.ts";
import { ElementBudget } from "./otlp-limits.ts";
import type { OtlpLimits } from "./otlp-limits.ts";
import type { OtlpValue } from "./otlp-model.ts";
import { bufferOver, isUtf8Range } from "./text-bytes.ts";

/** A reader with the limits it is held to. */
export interface OtlpReading {
  readonly reader: ProtobufReader;
  readonly buffer: Buffer;
  readonly limits: OtlpLimits;
  readonly budget: ElementBudget;
}

export function startReading(reader: ProtobufReader, limits: OtlpLimits): OtlpReading {
  const budget = new ElementBudget(limits.elementsMax);
  return { reader, buffer: bufferOver(reader.bytes), limits, budget };
}

/** Reads the nested message at the reader: `readField` is called behind each tag, and returns false for a field it did not read. */
export function readMessage(
  { reader, budget }: OtlpReading,
  readField: (field: number) => boolean,
): void {
  budget.take(1);
  reader.expect(WIRE_BYTES);
  const outer = reader.enter();
  while (reader.more()) {
    reader.readTag();
    if (!readField(reader.field)) reader.skip();
  }
  reader.leave(outer);
}

export function readText({ reader, buffer }: OtlpReading): string {
  reader.expect(WIRE_BYTES);
  const start = reader.readSpan();
  if (!isUtf8Range(reader.bytes, start, reader.position))
    throw badBody(`the string at byte ${start} is not valid UTF-8`);
  return buffer.toString("utf8", start, reader.position);
}

/** Lower-case hexadecimal of a field of bytes; all zero is none. */
export function readHex({ reader, buffer }: OtlpReading): string {
  reader.expect(WIRE_BYTES);
  const text = buffer.toString("hex", reader.readSpan(), reader.position);
  return /^0*$/.test(text) ? "" : text;
}

/** Unix nanoseconds as milliseconds, rounded down. Exact: 2^32 ns are 4294 ms and 967296 ns. */
export function readTimeMs({ reader }: OtlpReading): number {
  reader.expect(WIRE_FIXED64);
  const low = reader.readFixed32();
  const high = reader.readFixed32();
  return high * 4294 + Math.floor((high * 967_296 + low) / 1_000_000);
}

/** Unix nanoseconds. */
export function readTimeNs({ reader }: OtlpReading): bigint {
  reader.expect(WIRE_FIXED64);
  const low = reader.readFixed32() >>> 0;
  return (BigInt(reader.readFixed32() >>> 0) << 32n) | BigInt(low);
}

export function readFixedUint({ reader }: OtlpReading): number {
  reader.expect(WIRE_FIXED64);
  const low = reader.readFixed32();
  return reader.readFixed32() * 2 ** 32 + low;
}

export function readFixedInt({ reader }: OtlpReading): number {
  reader.expect(WIRE_FIXED64);
  const low = reader.readFixed32();
  return (reader.readFixed32() | 0) * 2 ** 32 + low;
}

export function readDouble({ reader }: OtlpReading): number {
  reader.expect(WIRE_FIXED64);
  return reader.readDouble();
}

/** A `KeyValue` into `into`. */
export function readAttribute(reading: OtlpReading, into: Map<string, OtlpValue>): void {
  readKeyValue(reading, into, 0);
}

function readKeyValue(reading: OtlpReading, into: Map<string, OtlpValue>, depth: number): void {
  let key = "";
  let value: OtlpValue = null;
  readMessage(reading, (field) => {
    if (field === 1) key = readText(reading);
    else if (field === 2) value = readValue(reading, depth);
    else return false;
    return true;
  });
  into.set(key, value);
}

/** An `AnyValue` at the reader, `depth` values deep in others. */
export function readValue(reading: OtlpReading, depth: number): OtlpValue {
  const { reader, limits } = reading;
  if (depth >= limits.valueDepthMax)
    throw badBody(
      `an attribute at byte ${reader.position} nests deeper than ${limits.valueDepthMax}`,
    );
  let value: OtlpValue = null;
  readMessage(reading, (field) => {
    switch (field) {
      case 1:
        value = readText(reading);
        return true;
      case 2:
        reader.expect(WIRE_VARINT);
        value = reader.readVarint32() !== 0;
        return true;
      case 3:
        reader.expect(WIRE_VARINT);
        value = reader.readBigInt(true);
        return true;
      case 4:
        value = readDouble(reading);
        return true;
      case 5: {
        const list: OtlpValue[] = [];
        readMessage(reading, (inner) => {
          if (inner !== 1) return false;
          list.push(readValue(reading, depth + 1));
          return true;
        });
        value = list;
        return true;
      }
      case 6: {
        const map = new Map<string, OtlpValue>();
        readMessage(reading, (inner) => {
          if (inner !== 1) return false;
          readKeyValue(reading, map, depth + 1);
          return true;
        });
        value = map;
        return true;
      }
      case 7:
        reader.expect(WIRE_BYTES);
        value = reader.readBytes().slice();
        return true;
      default:
        return false;
    }
  });
  return value;
}
