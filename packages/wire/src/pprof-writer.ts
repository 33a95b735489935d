/** Writes a profile anew with other samples: what no sample needs any more is left out, so that a small difference is a small profile. */
import { ByteWriter, ProtobufReader, WIRE_BYTES, WIRE_VARINT } from "@finch/codec";
import { PPROF, type PprofField, type PprofProfile, type PprofSample } from "./pprof-reader.ts";

/** Fields that refer to strings, by the field of `Profile` their message stands in. */
const STRINGS_OF: Readonly<Partial<Record<number, readonly number[]>>> = {
  [PPROF.sampleType]: [1, 2],
  [PPROF.periodType]: [1, 2],
  [PPROF.mapping]: [5, 6],
};
/** The same of messages that are read apart. */
const LABEL_STRINGS = [1, 2, 4];
const FUNCTION_STRINGS = [2, 3, 4];
/** Fields of `Profile` that are references to strings themselves. */
const PLAIN_STRINGS: ReadonlySet<number> = new Set([
  PPROF.dropFrames,
  PPROF.keepFrames,
  PPROF.comment,
  PPROF.defaultSampleType,
]);

export function writePprof(
  profile: PprofProfile,
  samples: readonly PprofSample[],
  { durationNs }: { readonly durationNs: bigint | undefined },
): Uint8Array {
  const used = usedParts(profile, samples);
  const out = new ByteWriter(64 << 10);
  for (const { bytes } of profile.others) out.writeBytes(bytes);
  for (const sample of samples) writeMessage(out, PPROF.sample, encodeSample(sample));
  for (const id of used.locations)
    writeMessage(out, PPROF.location, profile.locations.get(id)?.bytes);
  for (const id of used.functions) writeMessage(out, PPROF.function, profile.functions.get(id));
  for (const [index, text] of profile.strings.entries())
    writeMessage(out, PPROF.string, used.strings.has(index) ? text : NOTHING);
  if (durationNs !== undefined) {
    out.writeVarint(PPROF.duration * 8 + WIRE_VARINT);
    out.writeVarint64(Number(durationNs & 0xffff_ffffn), Number(durationNs >> 32n));
  }
  return out.finish();
}

const NOTHING = new Uint8Array(0);

function writeMessage(out: ByteWriter, field: number, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) return;
  out.writeVarint(field * 8 + WIRE_BYTES);
  out.writeVarint(bytes.length);
  out.writeBytes(bytes);
}

function encodeSample({ locationIds, values, labels }: PprofSample): Uint8Array {
  const out = new ByteWriter();
  writeMessage(out, 1, packed(locationIds));
  writeMessage(out, 2, packed(values));
  for (const label of labels) writeMessage(out, 3, label);
  return out.finish();
}

function packed(numbers: readonly number[]): Uint8Array {
  const out = new ByteWriter();
  for (const number of numbers) out.writeVarint64(number % 2 ** 32, Math.floor(number / 2 ** 32));
  return out.finish();
}

interface UsedParts {
  readonly locations: ReadonlySet<number>;
  readonly functions: ReadonlySet<number>;
  readonly strings: ReadonlySet<number>;
}

function usedParts(profile: PprofProfile, samples: readonly PprofSample[]): UsedParts {
  const locations = new Set(samples.flatMap(({ locationIds }) => locationIds));
  const functions = new Set(
    [...locations].flatMap((id) => profile.locations.get(id)?.functionIds ?? []),
  );
  const strings = new Set<number>([0]);
  const note = (message: Uint8Array | undefined, fields: readonly number[]) => {
    if (message !== undefined) for (const index of numbersOf(message, fields)) strings.add(index);
  };
  for (const id of functions) note(profile.functions.get(id), FUNCTION_STRINGS);
  for (const { labels } of samples) for (const label of labels) note(label, LABEL_STRINGS);
  for (const other of profile.others) for (const index of stringsOf(other)) strings.add(index);
  return { locations, functions, strings };
}

/** The strings that a field of the profile refers to. */
function stringsOf({ field, bytes }: PprofField): readonly number[] {
  const inside = STRINGS_OF[field];
  if (inside === undefined && !PLAIN_STRINGS.has(field)) return [];
  const reader = new ProtobufReader(bytes);
  reader.readTag();
  if (inside !== undefined) return numbersOf(reader.readBytes(), inside);
  if (reader.wireType === WIRE_VARINT) return [reader.readInt64()];
  const outer = reader.enter();
  const numbers: number[] = [];
  while (reader.more()) numbers.push(reader.readInt64());
  reader.leave(outer);
  return numbers;
}

function numbersOf(message: Uint8Array, fields: readonly number[]): readonly number[] {
  const numbers: number[] = [];
  const reader = new ProtobufReader(message);
  while (reader.more()) {
    reader.readTag();
    if (reader.wireType === WIRE_VARINT && fields.includes(reader.field))
      numbers.push(reader.readInt64());
    else reader.skip();
  }
  return numbers;
}
