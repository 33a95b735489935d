/**
 * Detects the level of a log line the way Loki does at ingest: from labels, structured metadata, OpenTelemetry's severity number, a JSON or
 * logfmt field, else the first word of the line that names a level. Lines that come in are looked at by codec's kernel `log-levels`, whose twin
 * {@link levelOfLine} is.
 */
import type { Labels } from "@finch/model";

/** Names of labels and fields that carry a level, in order of preference. */
export const LEVEL_NAMES = [
  "level",
  "LEVEL",
  "Level",
  "log.level",
  "severity",
  "SEVERITY",
  "Severity",
  "SeverityText",
  "lvl",
  "LVL",
  "Lvl",
  "severity_text",
  "Severity_Text",
  "SEVERITY_TEXT",
] as const;

/** Places in the order of preference. */
const RANKS: ReadonlyMap<string, number> = new Map(LEVEL_NAMES.map((name, rank) => [name, rank]));

const KNOWN_LEVELS: ReadonlyMap<string, string> = new Map([
  ["trace", "trace"],
  ["trc", "trace"],
  ["debug", "debug"],
  ["dbg", "debug"],
  ["info", "info"],
  ["inf", "info"],
  ["information", "info"],
  ["warn", "warn"],
  ["wrn", "warn"],
  ["warning", "warn"],
  ["error", "error"],
  ["err", "error"],
  ["critical", "critical"],
  ["fatal", "fatal"],
]);

/** Words that tell a level anywhere in a line without fields. */
const LEVEL_WORDS = new Set([
  "trace",
  "debug",
  "fatal",
  "critical",
  "error",
  "err",
  "warning",
  "warn",
  "info",
]);
const LEVEL_WORD_LENGTH_MAX = 8;
/** What may stand right before and right behind such a word, as in Loki: `misc:error`, `/error/` and `error.` tell nothing. */
const BEFORE_WORD = new Set(Buffer.from(" \t\n[({\"'=|"));
const BEHIND_WORD = new Set([...BEFORE_WORD, ...Buffer.from("])}:,!")]);

const JSON_NAMES: ReadonlySet<string> = new Set(LEVEL_NAMES);
/** Names in small letters with the place of the first of them. */
const LOGFMT_RANKS: ReadonlyMap<string, number> = new Map(
  LEVEL_NAMES.map((name, rank) => [name.toLowerCase(), rank] as const).toReversed(),
);
const NAME_LENGTH_MAX = Math.max(...LEVEL_NAMES.map((name) => name.length));
const JSON_DEPTH_MAX = 2;

/** The level a label set names, normalised when known and as it is otherwise; undefined when it names none. */
export function levelOfLabels(labels: Labels): string | undefined {
  const { pairs } = labels;
  let value: string | undefined;
  let rank: number = LEVEL_NAMES.length;
  for (let i = 0; i < pairs.length; i += 2) {
    const found = RANKS.get(pairs[i]!) ?? rank;
    if (found >= rank || pairs[i + 1] === "") continue;
    rank = found;
    value = pairs[i + 1];
  }
  return value === undefined ? undefined : normalLevel(value);
}

/** The level under its usual name; what is none stays as it is. */
export function normalLevel(value: string): string {
  return KNOWN_LEVELS.get(value.toLowerCase()) ?? value;
}

/** The level of structured metadata: a level name, else OpenTelemetry's severity number. */
export function levelOfMetadata(metadata: Labels): string | undefined {
  if (metadata.size === 0) return undefined;
  const named = levelOfLabels(metadata);
  if (named !== undefined) return named;
  const severity = metadata.get("severity_number");
  return severity === "" ? undefined : levelOfSeverity(severity);
}

function levelOfSeverity(text: string): string {
  const number = /^[+-]?\d+$/.test(text) ? Number(text) : undefined;
  if (number === undefined) return "info";
  if (number < 1 || number > 24) return "unknown";
  return ["trace", "debug", "info", "warn", "error", "fatal"][Math.floor((number - 1) / 4)]!;
}

/** The level of the line `bytes[start … end)`; `unknown` when nothing in it tells one. */
export function levelOfLine(bytes: Uint8Array, start: number, end: number): string {
  let first = start;
  while (first < end && isSpace(bytes[first]!)) first++;
  let last = end - 1;
  while (last > first && isSpace(bytes[last]!)) last--;
  const isJson = bytes[first] === 0x7b && bytes[last] === 0x7d;
  const field = isJson ? findJsonLevel(bytes, first, end) : findLogfmtLevel(bytes, start, end);
  const known = field === undefined ? undefined : KNOWN_LEVELS.get(field.toLowerCase());
  return known ?? findLevelWord(bytes, start, end);
}

/** The value of the first JSON key at depth 1 or 2 that names a level. */
function findJsonLevel(bytes: Uint8Array, start: number, end: number): string | undefined {
  let depth = 0;
  let at = start;
  let key: string | undefined;
  // A string right after `{` or `,` of an object is a key; arrays push a frame in which nothing is a key.
  let inArray = 0;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte === 0x22) {
      const close = endOfString(bytes, at + 1, end);
      let next = close + 1;
      while (next < end && isSpace(bytes[next]!)) next++;
      if (next < end && bytes[next] === 0x3a) {
        key = undefined;
        if (depth <= JSON_DEPTH_MAX && inArray === 0 && close - at - 1 <= NAME_LENGTH_MAX) {
          const name = latin1(bytes, at + 1, close);
          if (JSON_NAMES.has(name)) key = name;
        }
        at = next + 1;
        continue;
      }
      if (key !== undefined) return latin1(bytes, at + 1, close);
      at = close + 1;
      continue;
    }
    if (byte === 0x7b) depth++;
    else if (byte === 0x7d) depth--;
    else if (byte === 0x5b) inArray++;
    else if (byte === 0x5d) inArray--;
    if (!isSpace(byte) && byte !== 0x3a) key = undefined;
    at++;
  }
  return undefined;
}

/** Index of the closing quote, or `end`. */
function endOfString(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== 0x22) at += bytes[at] === 0x5c ? 2 : 1;
  return Math.min(at, end);
}

/** The value of the `key=value` pair whose key, in any case, is the best of those that name a level; of the first of them. */
function findLogfmtLevel(bytes: Uint8Array, start: number, end: number): string | undefined {
  let best: number = LEVEL_NAMES.length;
  let level: string | undefined;
  let at = start;
  while (at < end) {
    // Not indexOf: it would look through all lines that follow, for each line without a pair.
    let equals = at;
    while (equals < end && bytes[equals] !== 0x3d) equals++;
    if (equals === end) return level;
    let nameStart = equals;
    while (nameStart > at && bytes[nameStart - 1]! > 0x20 && bytes[nameStart - 1] !== 0x22)
      nameStart--;
    const valueStart = equals + 1;
    const quoted = bytes[valueStart] === 0x22;
    let valueEnd = quoted ? endOfString(bytes, valueStart + 1, end) : valueStart;
    while (!quoted && valueEnd < end && bytes[valueEnd]! > 0x20) valueEnd++;
    const length = equals - nameStart;
    if (length > 0 && length <= NAME_LENGTH_MAX) {
      const name = latin1(bytes, nameStart, equals).toLowerCase();
      const rank = LOGFMT_RANKS.get(name) ?? best;
      if (rank < best) {
        best = rank;
        level = latin1(bytes, quoted ? valueStart + 1 : valueStart, valueEnd);
        if (rank === 0) return level;
      }
    }
    at = Math.max(valueEnd, valueStart);
  }
  return level;
}

/** The first word that names a level, in any case, and stands between blanks, brackets and the like. */
function findLevelWord(bytes: Uint8Array, start: number, end: number): string {
  let at = start;
  while (at < end) {
    if (!isWordByte(bytes[at]!)) {
      at++;
      continue;
    }
    const wordStart = at;
    while (at < end && isWordByte(bytes[at]!)) at++;
    const length = at - wordStart;
    if (length < 3 || length > LEVEL_WORD_LENGTH_MAX || !startsLevelWord(bytes[wordStart]!))
      continue;
    const word = latin1(bytes, wordStart, at).toLowerCase();
    if (!LEVEL_WORDS.has(word)) continue;
    const opens = wordStart === start || BEFORE_WORD.has(bytes[wordStart - 1]!);
    if (opens && (at === end || BEHIND_WORD.has(bytes[at]!))) return KNOWN_LEVELS.get(word)!;
  }
  return "unknown";
}

/** t d f c e w i, in any case. */
function startsLevelWord(byte: number): boolean {
  const lower = byte | 0x20;
  return (
    lower === 0x74 ||
    lower === 0x64 ||
    lower === 0x66 ||
    lower === 0x63 ||
    lower === 0x65 ||
    lower === 0x77 ||
    lower === 0x69
  );
}

function isWordByte(byte: number): boolean {
  return (
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x5f
  );
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}
