/**
 * Tells the lines of a page apart by their templates: kind, and the text between the slots. A template is found by the lengths of its texts and
 * proven by their bytes.
 */
import type { LineKind, LineSlots, SlotPlaces } from "./line-slots.ts";

/** Lines that would make more templates are kept whole. */
export const TEMPLATES_MAX = 1024;

/** What lines of the same making have in common. */
export interface TemplateText {
  readonly kind: LineKind;
  /** What stands before, between and behind the slots, back to back; text `i` ends before byte `textEnds[i]`. */
  readonly text: Uint8Array;
  readonly textEnds: Uint32Array;
}

export interface LineTemplate extends TemplateText {
  /** Column of each slot. */
  readonly columns: Uint32Array;
}

const TABLE_SIZE = 4096;

/** Collects the templates of one page after the other. */
export class TemplateTable {
  readonly templates: TemplateText[] = [];
  /** First template + 1 of those with one hash, and the next one behind each. */
  readonly #first = new Uint16Array(TABLE_SIZE);
  readonly #next = new Uint16Array(TEMPLATES_MAX);

  clear(): void {
    this.templates.length = 0;
    this.#first.fill(0);
  }

  /** The template of the line `bytes[start … end)` with these slots; a new one the first time. -1 when there is no room for it. */
  find(
    bytes: Uint8Array,
    range: { readonly start: number; readonly end: number },
    kind: LineKind,
    slots: LineSlots,
  ): number {
    const { start, end } = range;
    const bucket = hashShape(bytes, start, end, kind, slots);
    for (let at = this.#first[bucket]!; at !== 0; at = this.#next[at - 1]!) {
      const template = this.templates[at - 1]!;
      if (template.kind === kind && fits(template, bytes, start, end, slots)) return at - 1;
    }
    const number = this.templates.length;
    if (number >= TEMPLATES_MAX) return -1;
    this.templates.push(makeTemplateText(bytes, range, kind, slots));
    this.#next[number] = this.#first[bucket]!;
    this.#first[bucket] = number + 1;
    return number;
  }
}

/** Of the lengths of the texts, the kind and the first bytes. */
function hashShape(
  bytes: Uint8Array,
  start: number,
  end: number,
  kind: number,
  { starts, ends, count }: LineSlots,
): number {
  let hash = Math.imul(kind + 1, 0x9e3779b1) ^ count;
  let from = start;
  for (let slot = 0; slot < count; slot++) {
    const until = starts[slot]!;
    hash = Math.imul(hash ^ (until - from), 0x85ebca6b);
    // The byte before a slot tells fields of one length apart.
    if (until > from) hash ^= bytes[until - 1]! ^ (bytes[from]! << 8);
    hash ^= hash >>> 15;
    from = ends[slot]!;
  }
  hash = Math.imul(hash ^ (end - from), 0xc2b2ae35);
  if (end > from) hash ^= bytes[end - 1]!;
  hash ^= hash >>> 13;
  return (hash ^ (hash >>> 21)) & (TABLE_SIZE - 1);
}

function fits(
  template: TemplateText,
  bytes: Uint8Array,
  start: number,
  end: number,
  slots: LineSlots,
): boolean {
  const { text, textEnds } = template;
  const { starts, ends, count } = slots;
  if (textEnds.length !== count + 1) return false;
  let at = 0;
  let from = start;
  for (let slot = 0; slot <= count; slot++) {
    const until = slot < count ? starts[slot]! : end;
    if (textEnds[slot]! - at !== until - from) return false;
    for (; from < until; from++, at++) if (bytes[from] !== text[at]) return false;
    from = ends[slot]!;
  }
  return true;
}

/** The text of the template of the line `bytes[start … end)` with these slots. */
export function makeTemplateText(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
  kind: LineKind,
  { starts, ends, count }: SlotPlaces,
): TemplateText {
  const textEnds = new Uint32Array(count + 1);
  let length = end - start;
  for (let slot = 0; slot < count; slot++) length -= ends[slot]! - starts[slot]!;
  const text = new Uint8Array(length);
  let at = 0;
  let from = start;
  for (let slot = 0; slot <= count; slot++) {
    const until = slot < count ? starts[slot]! : end;
    // Mostly a few bytes: less than a view of them costs.
    for (; from < until; from++) text[at++] = bytes[from]!;
    textEnds[slot] = at;
    from = ends[slot]!;
  }
  return { kind, text, textEnds };
}
