/** Byte sizes as text, by the rules of the "humanize" notation that Loki and Alloy share: `20KB` is decimal, `1.5GiB` binary. */
import { FinchError } from "@finch/runtime";

const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** Factor by lower-case suffix: `k`, `kb` are 1000, `ki`, `kib` 1024, none or `b` is 1. */
const FACTORS = new Map<string, number>([
  ["", 1],
  ["b", 1],
]);
for (const [power, letter] of ["k", "m", "g", "t", "p", "e"].entries()) {
  for (const suffix of [letter, `${letter}b`]) FACTORS.set(suffix, 1000 ** (power + 1));
  for (const suffix of [`${letter}i`, `${letter}ib`]) FACTORS.set(suffix, 1024 ** (power + 1));
}

/** Whole bytes of a size such as `20KB`, `1.5 GiB` or `1,000`; throws a FinchError `model/bad-bytes`. */
export function parseBytes(text: string): number {
  const bytes = readBytes(text);
  if (typeof bytes === "string") throw new FinchError("invalid", "model/bad-bytes", bytes);
  return bytes;
}

/** As {@link parseBytes}, but undefined for what is not a size: for values of log lines, where that is no exception. */
export function tryParseBytes(text: string): number | undefined {
  const bytes = readBytes(text);
  return typeof bytes === "string" ? undefined : bytes;
}

/** The bytes, or what is wrong. */
function readBytes(text: string): number | string {
  const match = /^([0-9.,]*)([^]*)$/.exec(text)!;
  const digits = match[1]!.replaceAll(",", "");
  const suffix = match[2]!.trim().toLowerCase();
  if (!/^(?:[0-9]+\.?[0-9]*|\.[0-9]+)$/.test(digits))
    return `not a size in bytes: ${JSON.stringify(text)}`;
  const factor = FACTORS.get(suffix);
  if (factor === undefined) return `unhandled size name: ${suffix} (in ${JSON.stringify(text)})`;
  const bytes = Number(digits) * factor;
  if (bytes >= 2 ** 64) return `too large: ${text}`;
  return Math.trunc(bytes);
}

/** Bytes in decimal units with at most two digits before a point matter: `999 B`, `1.5 kB`, `83 MB`. */
export function formatBytes(bytes: number): string {
  return humanize(bytes, 1000, DECIMAL);
}

/** Bytes in binary units: `999 B`, `1.5 KiB`, `83 MiB`. */
export function formatBinaryBytes(bytes: number): string {
  return humanize(bytes, 1024, BINARY);
}

function humanize(bytes: number, base: number, units: readonly string[]): string {
  if (bytes < 10) return `${bytes} B`;
  let power = 0;
  while (power < units.length - 1 && bytes >= base ** (power + 1)) power++;
  const value = Math.floor((bytes / base ** power) * 10 + 0.5) / 10;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power]!}`;
}
