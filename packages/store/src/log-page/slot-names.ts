/** What the slots of a JSON or logfmt line are called: the same field has the same name in every line, so that its values are one column. */
import { LINE_JSON, LINE_LOGFMT } from "./line-slots.ts";
import type { LineKind, SlotPlaces } from "./line-slots.ts";

/** Between the keys of a path, and before the ordinal of a value that is not the first of its name. Neither stands in a key of a line that has slots. */
export const PATH_SEPARATOR = "\u0000";
const ELEMENT = "\u0001";
const REPEATED = "\u0002";

/** First letter of the name of a column, by the kind of line. */
const PREFIXES = ["t", "j", "l", "w"] as const;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Names of the slots of the line that begins at `start`, in their order. Fields of JSON have the path of their keys, of logfmt the key; values within arrays and
 * repetitions are marked, because no parser makes fields of them. Slots of other lines are numbered.
 */
export function nameSlots(
  bytes: Uint8Array,
  start: number,
  kind: LineKind,
  slots: SlotPlaces,
): string[] {
  const prefix = PREFIXES[kind];
  if (kind !== LINE_JSON && kind !== LINE_LOGFMT)
    return Array.from({ length: slots.count }, (_, slot) => `${prefix}${slot}`);
  const names =
    kind === LINE_JSON ? namesOfJson(bytes, start, slots) : namesOfLogfmt(bytes, start, slots);
  const seen = new Map<string, number>();
  return names.map((name) => {
    const earlier = seen.get(name) ?? 0;
    seen.set(name, earlier + 1);
    return earlier === 0 ? prefix + name : `${prefix}${name}${REPEATED}${earlier}`;
  });
}

/** Whether a column has values of JSON or logfmt. */
export function isFieldColumn(column: string): boolean {
  return column[0] === PREFIXES[LINE_JSON] || column[0] === PREFIXES[LINE_LOGFMT];
}

/** The path of the field whose values a column has; undefined when it has none of a field. */
export function fieldPath(column: string, parser: "json" | "logfmt"): string[] | undefined {
  if (column[0] !== PREFIXES[parser === "json" ? LINE_JSON : LINE_LOGFMT]) return undefined;
  if (column.includes(ELEMENT) || column.includes(REPEATED)) return undefined;
  return column.slice(1).split(PATH_SEPARATOR);
}

function namesOfLogfmt(bytes: Uint8Array, start: number, slots: SlotPlaces): string[] {
  const names: string[] = [];
  for (let slot = 0; slot < slots.count; slot++) {
    let end = slots.starts[slot]! - 1;
    if (bytes[end] === 34) end--;
    let from = end;
    while (from > start && bytes[from - 1]! > 32) from--;
    names.push(decoder.decode(bytes.subarray(from, end)));
  }
  return names;
}

/** Walks the text between the slots, which has the keys and brackets. The line is known to be valid. */
function namesOfJson(bytes: Uint8Array, start: number, slots: SlotPlaces): string[] {
  const names: string[] = [];
  const path: string[] = [];
  let key = "";
  let i = start;
  for (let slot = 0; slot < slots.count; slot++) {
    const until = slots.starts[slot]!;
    while (i < until) {
      const c = bytes[i]!;
      if (c === 34 && i + 1 < until) {
        const end = bytes.indexOf(34, i + 1);
        key = decoder.decode(bytes.subarray(i + 1, end));
        i = end + 1;
        continue;
      }
      if (c === 123 || c === 91) {
        path.push(key);
        key = c === 91 ? ELEMENT : "";
      } else if (c === 125 || c === 93) key = path.pop()!;
      else if (c === 44 && path.length > 0 && key !== ELEMENT) key = "";
      i++;
    }
    names.push([...path.slice(1), key].join(PATH_SEPARATOR));
    i = slots.ends[slot]!;
    if (bytes[i] === 34) i++;
  }
  return names;
}
