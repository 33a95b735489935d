/** Converters that hash or make ids. */
import { createHash, randomUUID, randomBytes } from "node:crypto";
import { OttlRunFault } from "./fault.ts";
import { isHex } from "./fields.ts";
import { anyValue, defineFunction, text, type OttlFunction } from "./signature.ts";
import { OttlId, typeOf, type OttlValue } from "./values.ts";

export const HASH_FUNCTIONS: readonly OttlFunction[] = [
  ...(["MD5", "SHA1", "SHA256", "SHA512"] as const).map((name) =>
    defineFunction(name, { value: text }, ({ value }) =>
      createHash(name.toLowerCase()).update(value).digest("hex"),
    ),
  ),
  defineFunction("FNV", { value: text }, ({ value }) => fnv1a(Buffer.from(value))),
  defineFunction("TraceID", { value: anyValue }, ({ value }) => idOf("TraceID", value, 16)),
  defineFunction("SpanID", { value: anyValue }, ({ value }) => idOf("SpanID", value, 8)),
  defineFunction("UUID", {}, () => randomUUID()),
  defineFunction("UUIDv7", {}, (_, subject) => timedUuid(subject.nowNs())),
];

/** The 64-bit FNV-1a hash, as a signed number. */
function fnv1a(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return BigInt.asIntN(64, hash);
}

function idOf(name: string, value: OttlValue, length: number): OttlId {
  if (value instanceof OttlId && value.hex.length === 2 * length) return value;
  if (value instanceof Uint8Array && value.length === length)
    return new OttlId(Buffer.from(value).toString("hex"));
  if (typeof value === "string" && isHex(value, length)) return new OttlId(value.toLowerCase());
  const got = typeof value === "string" ? JSON.stringify(value) : typeOf(value);
  throw new OttlRunFault(
    `${name} takes ${length} bytes or ${2 * length} hexadecimal digits, not ${got}`,
  );
}

/** RFC 9562, version 7: Unix milliseconds, then chance. */
function timedUuid(nowNs: bigint): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Number(nowNs / 1_000_000n), 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
