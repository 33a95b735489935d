/**
 * Pyroscope's push service, `push.v1.PusherService/Push`: profiles with the labels of their series, as protobuf or as JSON. The format is that of
 * `push/v1/push.proto` of Pyroscope's API; annotations are not kept.
 */
import { ProtobufReader, ProtobufWriter, WIRE_BYTES } from "@finch/codec";
import { Labels } from "@finch/model";
import { badBody, tooLarge, translateCodecErrors } from "./errors.ts";
import { checkJsonShape } from "./json-shape.ts";
import { isUtf8Range } from "./text-bytes.ts";

/** A profile as it was taken from a program. */
export interface RawProfile {
  /** As the sender names it; empty when it does not. */
  readonly id: string;
  /** A `Profile` message of pprof, plain or gzipped; nobody has looked at it. */
  readonly pprof: Uint8Array;
}

export interface ProfilePushSeries {
  readonly labels: Labels;
  readonly profiles: readonly RawProfile[];
}

export interface ProfilePushLimits {
  /** Series and profiles of a request; empty ones take two bytes on the wire and many times that in memory. */
  readonly seriesMax: number;
  readonly profilesMax: number;
  readonly labelsPerSeriesMax: number;
  readonly labelNameBytesMax: number;
  readonly labelValueBytesMax: number;
}

/** Room for what collectors send, several times over: a request of theirs holds one series. */
export const DEFAULT_PROFILE_PUSH_LIMITS: ProfilePushLimits = {
  seriesMax: 10_000,
  profilesMax: 10_000,
  labelsPerSeriesMax: 128,
  labelNameBytesMax: 1024,
  labelValueBytesMax: 8192,
};

/** Deep enough for the message; a JSON body opens two brackets for each label. */
const JSON_SHAPE = { jsonDepthMax: 8, jsonContainersMax: 500_000 };

/** Reads a request; profiles share the memory of a protobuf body. Throws a FinchError that names the part, such as `series[0].labels[2]`. */
export function decodeProfilePush(
  body: Uint8Array,
  { encoding, limits }: { readonly encoding: "proto" | "json"; readonly limits: ProfilePushLimits },
): readonly ProfilePushSeries[] {
  const builder = new PushBuilder(limits);
  if (encoding === "json") readJson(body, builder);
  else translateCodecErrors("the push request", () => readProtobuf(body, builder));
  return builder.series;
}

export function encodeProfilePush(series: readonly ProfilePushSeries[]): Uint8Array {
  const writer = new ProtobufWriter(1024);
  for (const { labels, profiles } of series) {
    const mark = writer.begin(1);
    for (const [name, value] of labels) {
      const pair = writer.begin(1);
      writer.writeString(1, name);
      writer.writeString(2, value);
      writer.end(pair);
    }
    for (const { id, pprof } of profiles) {
      const sample = writer.begin(2);
      writer.writeBytes(1, pprof);
      if (id !== "") writer.writeString(2, id);
      writer.end(sample);
    }
    writer.end(mark);
  }
  return writer.finish();
}

/** Series as they are read, held to the limits. */
class PushBuilder {
  readonly series: { labels: Labels; profiles: RawProfile[] }[] = [];
  readonly #limits: ProfilePushLimits;
  #pairs = new Map<string, string>();
  #profiles: RawProfile[] = [];
  #profileCount = 0;

  constructor(limits: ProfilePushLimits) {
    this.#limits = limits;
  }

  /** Where the series that is read stands in the request. */
  get place(): string {
    return `series[${this.series.length}]`;
  }

  addLabel(name: string, value: string): void {
    const { labelsPerSeriesMax, labelNameBytesMax, labelValueBytesMax } = this.#limits;
    const at = `${this.place}.labels[${this.#pairs.size}]`;
    if (name === "") throw badBody(`${at} has no name`);
    if (this.#pairs.has(name)) throw badBody(`${at}: ${JSON.stringify(name)} is given twice`);
    if (this.#pairs.size === labelsPerSeriesMax)
      throw badBody(`${this.place} has more than ${labelsPerSeriesMax} labels`);
    if (Buffer.byteLength(name) > labelNameBytesMax)
      throw badBody(`the name of ${at} is longer than ${labelNameBytesMax} bytes`);
    if (Buffer.byteLength(value) > labelValueBytesMax)
      throw badBody(
        `the value of ${at}, ${JSON.stringify(name)}, is longer than ${labelValueBytesMax} bytes`,
      );
    this.#pairs.set(name, value);
  }

  addProfile(profile: RawProfile): void {
    const { profilesMax } = this.#limits;
    if (this.#profileCount++ === profilesMax)
      throw tooLarge(`the push request has more than ${profilesMax} profiles: send fewer at once`);
    this.#profiles.push(profile);
  }

  endSeries(): void {
    const { seriesMax } = this.#limits;
    if (this.series.length === seriesMax)
      throw tooLarge(`the push request has more than ${seriesMax} series: send fewer at once`);
    this.series.push({
      labels: Labels.fromPairs([...this.#pairs].flat()),
      profiles: this.#profiles,
    });
    this.#pairs = new Map();
    this.#profiles = [];
  }
}

function readProtobuf(body: Uint8Array, builder: PushBuilder): void {
  const reader = new ProtobufReader(body);
  while (reader.more()) {
    reader.readTag();
    if (reader.field !== 1) {
      reader.skip();
      continue;
    }
    reader.expect(WIRE_BYTES);
    const outer = reader.enter();
    while (reader.more()) {
      reader.readTag();
      if (reader.field === 1) builder.addLabel(...readPair(reader, builder));
      else if (reader.field === 2) builder.addProfile(readProfile(reader, builder));
      else reader.skip();
    }
    reader.leave(outer);
    builder.endSeries();
  }
}

function readPair(reader: ProtobufReader, { place }: PushBuilder): [name: string, value: string] {
  reader.expect(WIRE_BYTES);
  const pair: [string, string] = ["", ""];
  const outer = reader.enter();
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1 || reader.field === 2)
      pair[reader.field - 1] = readText(reader, `a label of ${place}`);
    else reader.skip();
  }
  reader.leave(outer);
  return pair;
}

function readProfile(reader: ProtobufReader, { place }: PushBuilder): RawProfile {
  reader.expect(WIRE_BYTES);
  let id = "";
  let pprof: Uint8Array = new Uint8Array(0);
  const outer = reader.enter();
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) {
      reader.expect(WIRE_BYTES);
      pprof = reader.readBytes();
    } else if (reader.field === 2) id = readText(reader, `the ID of a profile of ${place}`);
    else reader.skip();
  }
  reader.leave(outer);
  return { id, pprof };
}

function readText(reader: ProtobufReader, what: string): string {
  reader.expect(WIRE_BYTES);
  const start = reader.readSpan();
  if (!isUtf8Range(reader.bytes, start, reader.position)) throw badBody(`${what} is not UTF-8`);
  const { buffer, byteOffset } = reader.bytes;
  return Buffer.from(buffer, byteOffset + start, reader.position - start).toString("utf8");
}

function readJson(body: Uint8Array, builder: PushBuilder): void {
  checkJsonShape(body, JSON_SHAPE);
  const root = parseJson(body);
  for (const [index, series] of elementsOf(root, "series", "the body").entries()) {
    const place = `series[${index}]`;
    for (const [at, label] of elementsOf(series, "labels", place).entries()) {
      const own = `${place}.labels[${at}]`;
      builder.addLabel(textOf(label, "name", own), textOf(label, "value", own));
    }
    for (const [at, sample] of elementsOf(series, "samples", place).entries()) {
      const own = `${place}.samples[${at}]`;
      const key = field(sample, "rawProfile", own) === undefined ? "raw_profile" : "rawProfile";
      builder.addProfile({
        id: textOf(sample, "ID", own),
        pprof: base64Bytes(textOf(sample, key, own), `${own}.${key}`),
      });
    }
    builder.endSeries();
  }
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf8", { fatal: true }).decode(body)) as unknown;
  } catch (error) {
    throw badBody(`the body is not valid JSON: ${(error as Error).message}`, error);
  }
}

/** A field as protobuf's JSON has it: what is `null` is not there. */
function field(value: unknown, name: string, place: string): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badBody(`${place} is not an object`);
  return Object.hasOwn(value, name)
    ? ((value as Record<string, unknown>)[name] ?? undefined)
    : undefined;
}

function elementsOf(value: unknown, name: string, place: string): readonly unknown[] {
  const found = field(value, name, place) ?? [];
  if (!Array.isArray(found)) throw badBody(`${name} of ${place} is not an array`);
  return found as readonly unknown[];
}

function textOf(value: unknown, name: string, place: string): string {
  const found = field(value, name, place) ?? "";
  if (typeof found !== "string") throw badBody(`${place}.${name} is not a string`);
  return found.toWellFormed();
}

/** Both alphabets, with padding or without, as protobuf's JSON may have them. */
function base64Bytes(text: string, place: string): Uint8Array {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw badBody(`${place} is not base64`);
  return Buffer.from(text, "base64");
}
