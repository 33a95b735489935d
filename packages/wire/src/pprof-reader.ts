/** Reads what a delta needs of a pprof profile: https://github.com/google/pprof/blob/main/proto/profile.proto. What it does not need stays bytes. */
import { ProtobufReader, WIRE_BYTES, WIRE_VARINT } from "@finch/codec";
import { badBody, translateCodecErrors } from "./errors.ts";

export interface PprofSample {
  /** The innermost first. */
  readonly locationIds: readonly number[];
  /** One for each sample type. */
  readonly values: readonly number[];
  /** `Label` messages. */
  readonly labels: readonly Uint8Array[];
}

export interface PprofLocation {
  readonly functionIds: readonly number[];
  /** What it is in words that do not depend on the profile: address, module, functions and lines. */
  readonly identity: string;
  /** The `Location` message. */
  readonly bytes: Uint8Array;
}

export interface PprofProfile {
  readonly sampleTypes: readonly { readonly type: string; readonly unit: string }[];
  readonly samples: readonly PprofSample[];
  readonly locations: ReadonlyMap<number, PprofLocation>;
  /** `Function` messages. */
  readonly functions: ReadonlyMap<number, Uint8Array>;
  readonly strings: readonly Uint8Array[];
  /** When it was taken; 0 when it does not say. */
  readonly timeNs: bigint;
  /** All other fields, the duration left out, in their order. */
  readonly others: readonly PprofField[];
  /** A label in words. */
  readonly labelText: (label: Uint8Array) => string;
}

export interface PprofField {
  readonly field: number;
  /** With the tag in front. */
  readonly bytes: Uint8Array;
}

/** Fields of `Profile`. */
export const PPROF = {
  sampleType: 1,
  sample: 2,
  mapping: 3,
  location: 4,
  function: 5,
  string: 6,
  dropFrames: 7,
  keepFrames: 8,
  time: 9,
  duration: 10,
  periodType: 11,
  comment: 13,
  defaultSampleType: 14,
} as const;

/** Messages by their field, not looked into yet. */
interface RawParts {
  readonly sampleTypes: Uint8Array[];
  readonly samples: Uint8Array[];
  readonly mappings: Uint8Array[];
  readonly locations: Uint8Array[];
  readonly functions: Uint8Array[];
  readonly strings: Uint8Array[];
  readonly others: PprofField[];
  timeNs: bigint;
}

/** Reads a profile that is not compressed; it shares the memory of `bytes`. Throws a FinchError `invalid` with the place of the fault. */
export function readPprof(bytes: Uint8Array): PprofProfile {
  return translateCodecErrors("the profile", () => {
    const parts = splitProfile(bytes);
    const text = textReader(parts.strings);
    const functions = new Map(parts.functions.map((one) => [numberIn(one, 1), one]));
    const modules = new Map(
      parts.mappings.map((one) => [
        numberIn(one, 1),
        `${text(numberIn(one, 5))}@${numberIn(one, 4)}`,
      ]),
    );
    const locations = new Map(
      parts.locations.map((one) => {
        const { id, ...location } = readLocation(one, { functions, modules, text });
        return [id, location];
      }),
    );
    return {
      sampleTypes: parts.sampleTypes.map((one) => ({
        type: text(numberIn(one, 1)),
        unit: text(numberIn(one, 2)),
      })),
      samples: parts.samples.map(readSample),
      locations,
      functions,
      strings: parts.strings,
      timeNs: parts.timeNs,
      others: parts.others,
      labelText: labelReader(text),
    };
  });
}

function splitProfile(bytes: Uint8Array): RawParts {
  const parts: RawParts = {
    sampleTypes: [],
    samples: [],
    mappings: [],
    locations: [],
    functions: [],
    strings: [],
    others: [],
    timeNs: 0n,
  };
  const lists: Readonly<Partial<Record<number, Uint8Array[]>>> = {
    [PPROF.sample]: parts.samples,
    [PPROF.location]: parts.locations,
    [PPROF.function]: parts.functions,
    [PPROF.string]: parts.strings,
  };
  const looked: Readonly<Partial<Record<number, Uint8Array[]>>> = {
    [PPROF.sampleType]: parts.sampleTypes,
    [PPROF.mapping]: parts.mappings,
  };
  const reader = new ProtobufReader(bytes);
  while (reader.more()) {
    const start = reader.position;
    reader.readTag();
    const { field } = reader;
    const list = lists[field] ?? looked[field];
    if (list !== undefined) {
      reader.expect(WIRE_BYTES);
      list.push(reader.readBytes());
      if (lists[field] !== undefined) continue;
    } else if (field === PPROF.time) {
      reader.expect(WIRE_VARINT);
      parts.timeNs = reader.readBigInt(true);
    } else reader.skip();
    if (field !== PPROF.duration)
      parts.others.push({ field, bytes: bytes.subarray(start, reader.position) });
  }
  return parts;
}

/** There are few different labels, and many samples that have them. */
function labelReader(text: (index: number) => string): PprofProfile["labelText"] {
  const known = new Map<string, string>();
  return (label) => {
    const bytes = Buffer.from(label.buffer, label.byteOffset, label.length).toString("latin1");
    let words = known.get(bytes);
    if (words === undefined) {
      const [key, value, number, unit] = [1, 2, 3, 4].map((field) => numberIn(label, field));
      words = `${text(key!)}=${text(value!)}${number!}${text(unit!)};`;
      known.set(bytes, words);
    }
    return words;
  };
}

function textReader(strings: readonly Uint8Array[]): (index: number) => string {
  const known: (string | undefined)[] = [];
  return (index) => {
    const bytes = strings[index];
    if (bytes === undefined && index !== 0)
      throw badBody(`the profile refers to string ${index} of ${strings.length}`);
    return (known[index] ??= Buffer.from(bytes ?? []).toString("latin1"));
  };
}

/** A number of a message; 0 when it is not there. */
function numberIn(message: Uint8Array, field: number): number {
  const reader = new ProtobufReader(message);
  let value = 0;
  while (reader.more()) {
    reader.readTag();
    if (reader.field === field && reader.wireType === WIRE_VARINT) value = reader.readInt64();
    else reader.skip();
  }
  return value;
}

function readSample(message: Uint8Array): PprofSample {
  const locationIds: number[] = [];
  const values: number[] = [];
  const labels: Uint8Array[] = [];
  const reader = new ProtobufReader(message);
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) readNumbers(reader, locationIds);
    else if (reader.field === 2) readNumbers(reader, values);
    else if (reader.field === 3) labels.push(readMessage(reader));
    else reader.skip();
  }
  return { locationIds, values, labels };
}

function readMessage(reader: ProtobufReader): Uint8Array {
  reader.expect(WIRE_BYTES);
  return reader.readBytes();
}

/** Packed or one by one. */
function readNumbers(reader: ProtobufReader, into: number[]): void {
  if (reader.wireType === WIRE_VARINT) {
    into.push(reader.readInt64());
    return;
  }
  reader.expect(WIRE_BYTES);
  const outer = reader.enter();
  while (reader.more()) into.push(reader.readInt64());
  reader.leave(outer);
}

interface Names {
  readonly functions: ReadonlyMap<number, Uint8Array>;
  readonly modules: ReadonlyMap<number, string>;
  readonly text: (index: number) => string;
}

function readLocation(message: Uint8Array, names: Names): PprofLocation & { readonly id: number } {
  const reader = new ProtobufReader(message);
  let id = 0;
  let module = 0;
  let address = "";
  const functionIds: number[] = [];
  const lines: string[] = [];
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) id = reader.readInt64();
    else if (reader.field === 2) module = reader.readInt64();
    else if (reader.field === 3) {
      reader.readVarint64();
      address = `${reader.high}:${reader.low}`;
    } else if (reader.field === 4) {
      const line = readMessage(reader);
      const functionId = numberIn(line, 1);
      functionIds.push(functionId);
      lines.push(`${functionName(functionId, names)}:${numberIn(line, 2)}`);
    } else reader.skip();
  }
  const identity = `${address} ${names.modules.get(module) ?? ""} ${lines.join("|")}`;
  return { id, functionIds, identity, bytes: message };
}

function functionName(id: number, { functions, text }: Names): string {
  const message = functions.get(id);
  return message === undefined ? "" : `${text(numberIn(message, 2))} ${text(numberIn(message, 4))}`;
}
