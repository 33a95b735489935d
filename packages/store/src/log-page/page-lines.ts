/** Lines that tests make pages of. */
import { Labels } from "@finch/model";
import type { LogColumns } from "@finch/model";
import fc from "fast-check";

const encoder = new TextEncoder();

export function columnsOf(
  lines: readonly (string | Uint8Array)[],
  metadata: readonly Labels[] = lines.map(() => Labels.EMPTY),
): LogColumns {
  const bytes = lines.map((line) => (typeof line === "string" ? encoder.encode(line) : line));
  const lineBounds = new Uint32Array(lines.length + 1);
  for (const [i, line] of bytes.entries()) lineBounds[i + 1] = lineBounds[i]! + line.length;
  return {
    count: lines.length,
    timestampsNs: BigInt64Array.from(
      lines,
      (_, i) => 1_795_000_000_000_000_000n + BigInt(i) * 7_919n,
    ),
    lines: Buffer.concat(bytes),
    lineBounds,
    metadataSets: [Labels.EMPTY, ...metadata],
    metadataOf: Uint32Array.from(metadata, (_, i) => i + 1),
  };
}

/** Lines as programs write them, with values of all kinds, and some that only look like it. */
const value = fc.oneof(
  fc.nat(1e9).map(String),
  fc.integer({ min: -1000, max: 1000 }).map((n) => (n / 8).toFixed(3)),
  fc.nat().map((n) =>
    Buffer.from(String(Math.sin(n)))
      .toString("hex")
      .slice(0, 16),
  ),
  fc.uuid(),
  fc.constantFrom(
    "GET",
    "POST",
    "",
    "true",
    "false",
    "null",
    "007",
    "1e9",
    "-",
    "10.0.0.1",
    "ü",
    "a b",
  ),
  fc
    .date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true })
    .map((d) => d.toISOString()),
  fc.string({ maxLength: 12 }),
);
const key = fc.constantFrom("level", "msg", "status", "trace_id", "a b", "ü", "");
const jsonValue = fc.oneof(
  value,
  fc.nat(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.nat(9), { maxLength: 3 }),
  fc.dictionary(key, fc.oneof(value, fc.double()), { maxKeys: 3 }),
);
export const line = fc.oneof(
  fc.dictionary(key, jsonValue, { maxKeys: 6 }).map((object) => JSON.stringify(object)),
  fc
    .array(fc.tuple(key, value), { maxLength: 6 })
    .map((pairs) =>
      pairs.map(([k, v]) => `${k}=${/[\s"=]/.test(v) ? JSON.stringify(v) : v}`).join(" "),
    ),
  fc.array(value, { maxLength: 6 }).map((words) => `Nov 27 host sshd[77]: ${words.join(" ")}`),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom(
    "{}",
    "{",
    '{"a":1} ',
    '{"a":[1,{"b":2}],"c":"\\"x"}',
    "a=",
    "=a",
    "a=b=c",
    'a="b',
  ),
);
/** Some lines come again and again. */
export const page = fc
  .array(line, { minLength: 1, maxLength: 4 })
  .chain((kinds) => fc.array(fc.constantFrom(...kinds), { minLength: 1, maxLength: 120 }));
