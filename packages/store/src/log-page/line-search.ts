/**
 * Finds the rows of a page whose lines contain a text, without making the lines. For each template all ways are listed in which the text can lie over its
 * texts and slots; each is a few conditions on values: one that ends with the text's beginning, some that are equal to parts of it, one that begins with its end.
 */
import type { LineTemplate } from "./line-templates.ts";
import type { ValueMatch } from "./column-search.ts";

/** What must hold of the value of a slot. */
export interface SlotMatch extends ValueMatch {
  readonly slot: number;
}

/** The needle lies over the template like this when all of these hold; none are needed when it stands in one of the template's texts. */
export type Placement = readonly SlotMatch[];

/** A template that allows more placements has its lines made and searched. */
const PLACEMENTS_MAX = 256;

/** All ways in which `needle` (at least a byte) can stand in lines of the template; undefined when there are too many. */
export function placeNeedle(
  { text, textEnds }: LineTemplate,
  needle: Uint8Array,
): readonly Placement[] | undefined {
  const slots = textEnds.length - 1;
  const placements: Placement[] = [];
  /** Continues with the value of `slot`, which begins at `at` of the needle; `at` is below its length. */
  const fromSlot = (slot: number, at: number, before: Placement): void => {
    if (placements.length > PLACEMENTS_MAX) return;
    placements.push([...before, { slot, kind: "begins", text: needle.subarray(at) }]);
    for (let next = at; next < needle.length; next++) {
      if (!isTextAt(slot + 1, next)) continue;
      const equal: SlotMatch = { slot, kind: "equals", text: needle.subarray(at, next) };
      fromText(slot + 1, next, [...before, equal]);
    }
  };
  /** Continues with the whole text before slot `place`, which begins at `at` of the needle and is known to agree. */
  const fromText = (place: number, at: number, before: Placement): void => {
    const end = at + lengthOf(place);
    if (end >= needle.length) placements.push(before);
    else if (place < slots) fromSlot(place, end, before);
  };
  const lengthOf = (place: number): number => textEnds[place]! - startOf(place);
  const startOf = (place: number): number => (place === 0 ? 0 : textEnds[place - 1]!);
  /** Whether the text agrees with the needle from `at` on, as far as both go; a text behind the last slot must not end before the needle. */
  const isTextAt = (place: number, at: number): boolean => {
    const start = startOf(place);
    const length = lengthOf(place);
    if (place === slots && at + length < needle.length) return false;
    const shared = Math.min(length, needle.length - at);
    for (let i = 0; i < shared; i++) if (text[start + i] !== needle[at + i]) return false;
    return true;
  };
  for (let place = 0; place <= slots; place++) {
    if (contains(text.subarray(startOf(place), textEnds[place]), needle)) return [[]];
  }
  for (let place = 0; place < slots; place++) {
    // Begins within the text, and goes on behind it.
    for (let length = 1; length <= Math.min(lengthOf(place), needle.length - 1); length++)
      if (endsWith(text, textEnds[place]!, needle, length)) fromSlot(place, length, []);
    // Wholly within the value.
    placements.push([{ slot: place, kind: "contains", text: needle }]);
    // Begins within the value, and goes on behind it.
    for (let length = 1; length < needle.length; length++) {
      if (!isTextAt(place + 1, length)) continue;
      const ends: SlotMatch = { slot: place, kind: "ends", text: needle.subarray(0, length) };
      fromText(place + 1, length, [ends]);
    }
    if (placements.length > PLACEMENTS_MAX) return undefined;
  }
  return placements;
}

/** Whether the first `length` bytes of the needle stand before place `end` of the text. */
function endsWith(text: Uint8Array, end: number, needle: Uint8Array, length: number): boolean {
  for (let i = 0; i < length; i++) if (text[end - length + i] !== needle[i]) return false;
  return true;
}

function contains(text: Uint8Array, needle: Uint8Array): boolean {
  return Buffer.from(text.buffer, text.byteOffset, text.length).includes(needle);
}
