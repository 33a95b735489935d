/**
 * Messages of `collector.v1.CollectorService` as its server reads and writes them, in protobuf and in JSON. Fields are those of `api/collector/v1/collector.proto`
 * in grafana/alloy-remote-config, and `effective_config` (6), which newer collectors send: `{ config_map { map name → { body, content_type } } }`. Unknown fields
 * are skipped in both forms.
 */
import { createHash } from "node:crypto";
import { CodecError, ProtobufReader, ProtobufWriter, WIRE_BYTES, WIRE_VARINT } from "@finch/codec";
import { FinchError } from "@finch/runtime";

/** What a collector made of the last configuration it was given, in the order of the protocol's numbers. */
export const REMOTE_STATUSES = ["unset", "applied", "applying", "failed"] as const;
export type RemoteStatus = (typeof REMOTE_STATUSES)[number];

export interface StatusReport {
  readonly status: RemoteStatus;
  /** Set when it failed. */
  readonly error: string;
}

/** A call of any of the three methods; each sets what it has. */
export interface CollectorCall {
  readonly id: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** As it was answered with the configuration the collector has; empty when it has none. */
  readonly hash: string;
  /** Undefined when nothing changed since it was told last. */
  readonly report: StatusReport | undefined;
  /** SHA-256 of the configuration that it says to run, in hexadecimal digits; undefined when it does not say. */
  readonly effectiveHash: string | undefined;
}

export interface ConfigAnswer {
  readonly content: string;
  readonly hash: string;
  readonly isUnmodified: boolean;
}

export type MessageForm = "proto" | "json";
export type CollectorMethod = "GetConfig" | "RegisterCollector" | "UnregisterCollector";

/** Throws a FinchError `control/bad-collector-call` for bytes that are no such message. */
export function decodeCall(
  bytes: Uint8Array,
  { method, form }: { readonly method: CollectorMethod; readonly form: MessageForm },
): CollectorCall {
  return form === "json" ? decodeJson(bytes) : decodeProtobuf(bytes, method);
}

export function encodeConfigAnswer(answer: ConfigAnswer, form: MessageForm): Uint8Array {
  const { content, hash, isUnmodified } = answer;
  if (form === "json") {
    const fields = {
      ...(content !== "" && { content }),
      ...(hash !== "" && { hash }),
      ...(isUnmodified && { notModified: true }),
    };
    return new TextEncoder().encode(JSON.stringify(fields));
  }
  const writer = new ProtobufWriter();
  if (content !== "") writer.writeString(1, content);
  if (hash !== "") writer.writeString(2, hash);
  if (isUnmodified) writer.writeInt64(3, 1);
  return writer.finish();
}

/** The answer to what is not `GetConfig`: a message without fields. */
export function encodeEmptyAnswer(form: MessageForm): Uint8Array {
  return new TextEncoder().encode(form === "json" ? "{}" : "");
}

function decodeProtobuf(bytes: Uint8Array, method: CollectorMethod): CollectorCall {
  try {
    return new CallReader(bytes, method).read();
  } catch (error) {
    if (error instanceof CodecError) throw badCall(error.message, error);
    throw error;
  }
}

class CallReader {
  readonly #reader: ProtobufReader;
  readonly #method: CollectorMethod;
  #id = "";
  /** Field 3: the name where a collector registers, the hash where it asks. */
  #third = "";
  #old: Record<string, string> = {};
  #attributes: Record<string, string> = {};
  #report: StatusReport | undefined;
  #effectiveHash: string | undefined;

  constructor(bytes: Uint8Array, method: CollectorMethod) {
    this.#reader = new ProtobufReader(bytes);
    this.#method = method;
  }

  read(): CollectorCall {
    const reader = this.#reader;
    while (reader.more()) {
      reader.readTag();
      this.#readField(reader.field);
    }
    const isAsking = this.#method === "GetConfig";
    return {
      id: this.#id,
      name: isAsking ? "" : this.#third,
      hash: isAsking ? this.#third : "",
      // Collectors of before the field 4 send the field 2.
      attributes: Object.keys(this.#attributes).length > 0 ? this.#attributes : this.#old,
      report: this.#report,
      effectiveHash: this.#effectiveHash,
    };
  }

  #readField(field: number): void {
    if (field === 1) this.#id = this.#text();
    else if (field === 2) this.#pair(this.#old);
    else if (field === 3) this.#third = this.#text();
    else if (field === 4) this.#pair(this.#attributes);
    else if (field === 5) this.#report = this.#readReport();
    else if (field === 6) this.#effectiveHash = this.#readEffectiveHash();
    else this.#reader.skip();
  }

  #text(): string {
    this.#reader.expect(WIRE_BYTES);
    return new TextDecoder().decode(this.#reader.readBytes());
  }

  #message(take: (field: number) => void): void {
    this.#reader.expect(WIRE_BYTES);
    const outer = this.#reader.enter();
    while (this.#reader.more()) {
      this.#reader.readTag();
      take(this.#reader.field);
    }
    this.#reader.leave(outer);
  }

  #pair(into: Record<string, string>): void {
    let key = "";
    let value = "";
    this.#message((field) => {
      if (field === 1) key = this.#text();
      else if (field === 2) value = this.#text();
      else this.#reader.skip();
    });
    setOwn(into, key, value);
  }

  #readReport(): StatusReport {
    let number = 0;
    let error = "";
    this.#message((field) => {
      if (field === 1) {
        this.#reader.expect(WIRE_VARINT);
        number = Number(this.#reader.readBigInt(false));
      } else if (field === 2) error = this.#text();
      else this.#reader.skip();
    });
    return { status: REMOTE_STATUSES[number] ?? "unset", error };
  }

  /** Of the one file there is; of several, none stands for all. */
  #readEffectiveHash(): string | undefined {
    const hashes: string[] = [];
    const readFile = (field: number) => {
      if (field !== 1) return this.#reader.skip();
      this.#reader.expect(WIRE_BYTES);
      hashes.push(sha256(this.#reader.readBytes()));
    };
    const readEntry = (field: number) => {
      if (field === 2) this.#message(readFile);
      else this.#reader.skip();
    };
    const readMap = (field: number) => {
      if (field === 1) this.#message(readEntry);
      else this.#reader.skip();
    };
    this.#message((field) => {
      if (field === 1) this.#message(readMap);
      else this.#reader.skip();
    });
    return hashes.length === 1 ? hashes[0] : undefined;
  }
}

/** Names of both spellings that protobuf's JSON takes: `localAttributes` and `local_attributes`. */
function decodeJson(bytes: Uint8Array): CollectorCall {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw badCall("the body is not JSON", error);
  }
  const fields = objectOf(parsed, "the message");
  const report = fieldOf(fields, "remoteConfigStatus", "remote_config_status");
  const attributes = mapOf(fieldOf(fields, "localAttributes", "local_attributes"));
  return {
    id: textOf(fields["id"], "id"),
    name: textOf(fields["name"], "name"),
    hash: textOf(fields["hash"], "hash"),
    attributes: Object.keys(attributes).length > 0 ? attributes : mapOf(fields["attributes"]),
    report: report === undefined ? undefined : reportOf(objectOf(report, "remoteConfigStatus")),
    effectiveHash: effectiveHashOf(fieldOf(fields, "effectiveConfig", "effective_config")),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldOf(fields: Fields, name: string, snakeName: string): unknown {
  return fields[name] ?? fields[snakeName] ?? undefined;
}

function objectOf(value: unknown, what: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw badCall(`${what} is not an object`);
}

function textOf(value: unknown, what: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw badCall(`${what} is not a text`);
}

function mapOf(value: unknown): Record<string, string> {
  const map: Record<string, string> = {};
  if (value === undefined || value === null) return map;
  for (const [key, text] of Object.entries(objectOf(value, "attributes")))
    setOwn(map, key, textOf(text, `the attribute ${JSON.stringify(key)}`));
  return map;
}

function reportOf(fields: Fields): StatusReport {
  const error = textOf(fieldOf(fields, "errorMessage", "error_message"), "errorMessage");
  const { status = 0 } = fields;
  if (typeof status === "number") return { status: REMOTE_STATUSES[status] ?? "unset", error };
  const name = textOf(status, "status")
    .replace(/^RemoteConfigStatuses_/, "")
    .toLowerCase();
  return { status: REMOTE_STATUSES.find((one) => one === name) ?? "unset", error };
}

function effectiveHashOf(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const map = fieldOf(objectOf(value, "effectiveConfig"), "configMap", "config_map");
  if (map === undefined) return undefined;
  const files = fieldOf(objectOf(map, "configMap"), "configMap", "config_map");
  const bodies = Object.values(files === undefined ? {} : objectOf(files, "configMap")).map(
    (file) => textOf(objectOf(file, "a file of configMap")["body"], "body"),
  );
  return bodies.length === 1 ? sha256(Buffer.from(bodies[0]!, "base64")) : undefined;
}

/** A key such as `__proto__` is a key like any other. */
function setOwn(map: Record<string, string>, key: string, value: string): void {
  Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function badCall(message: string, cause?: unknown): FinchError {
  return new FinchError("invalid", "control/bad-collector-call", `bad call: ${message}`, { cause });
}
