/**
 * Takes the lines of a page apart: finds which of them have the same template (kind, and text between the slots), and puts the slots of each column together.
 * Twin: `packages/store/src/log-page/line-split.ts`. Reads up to 64 bytes behind the lines.
 */
import { findSlots, LINE_WHOLE, slotCount } from "./line-slots";
import { isSame } from "./same-bytes";

/** Templates there may be, and lists of them by hash. */
const TEMPLATES_MAX: u32 = 1024;
const LISTS: u32 = 4096;
/** Of a line without a template. */
const NONE: u32 = 0xffff;

/** Words of a template: its kind, how many slots, its first line, where the slots of that stand, rows, and the next of the list, from 1 on. */
const TEMPLATE_BYTES: usize = 32;
const KIND: usize = 0;
const SLOTS: usize = 4;
const START: usize = 8;
const END: usize = 12;
const FIRST: usize = 16;
const ROWS: usize = 20;
const NEXT: usize = 24;

let linesAt: usize = 0;
let templatesAt: usize = 0;
let listsAt: usize = 0;
let templateCount: u32 = 0;
/** How far behind the beginnings of slots their ends stand. */
let endsBehind: usize = 0;

/**
 * Finds the template of each of `count` lines, its number to `templateOf` (2 bytes); returns how many templates there are. `templates` has room for 1024 and
 * 4096 words behind, `slots` for all slots and 64 more, and as much `slotsEnds` bytes behind; slots of lines without template are left out.
 */
export function findTemplates(
  lines: usize,
  bounds: usize,
  count: i32,
  templates: usize,
  templateOf: usize,
  slots: usize,
  slotsEnds: usize,
): u32 {
  linesAt = lines;
  templatesAt = templates;
  listsAt = templates + <usize>TEMPLATES_MAX * TEMPLATE_BYTES;
  memory.fill(listsAt, 0, (<usize>LISTS) << 2);
  templateCount = 0;
  endsBehind = slotsEnds;
  let to = slots;
  for (let row: usize = 0; row < <usize>count; row++) {
    const start = load<u32>(bounds + (row << 2));
    const end = load<u32>(bounds + (row << 2), 4);
    const kind = findSlots(lines, lines + start, lines + end, to, slotsEnds);
    let number = NONE;
    if (kind != LINE_WHOLE) {
      const found = slotCount(to);
      number = findTemplate(kind, start, end, to, found);
      if (number != NONE) to += found << 2;
    }
    store<u16>(templateOf + (row << 1), <u16>number);
  }
  return templateCount;
}

function findTemplate(kind: i32, start: u32, end: u32, slots: usize, count: usize): u32 {
  const list = listsAt + ((<usize>hashShape(kind, start, end, slots, count)) << 2);
  for (let next = load<u32>(list); next != 0;) {
    const template = templatesAt + (<usize>next - 1) * TEMPLATE_BYTES;
    if (
      load<i32>(template, KIND) == kind &&
      load<u32>(template, SLOTS) == <u32>count &&
      fits(template, start, end, slots, count)
    ) {
      store<u32>(template, load<u32>(template, ROWS) + 1, ROWS);
      return next - 1;
    }
    next = load<u32>(template, NEXT);
  }
  const number = templateCount;
  if (number == TEMPLATES_MAX) return NONE;
  templateCount = number + 1;
  const template = templatesAt + <usize>number * TEMPLATE_BYTES;
  store<i32>(template, kind, KIND);
  store<u32>(template, <u32>count, SLOTS);
  store<u32>(template, start, START);
  store<u32>(template, end, END);
  store<u32>(template, <u32>slots, FIRST);
  store<u32>(template, 1, ROWS);
  store<u32>(template, load<u32>(list), NEXT);
  store<u32>(list, number + 1);
  return number;
}

/** Of the lengths of the texts, their first and last bytes, and the kind. */
function hashShape(kind: i32, start: u32, end: u32, slots: usize, count: usize): u32 {
  let hash = (<u32>(kind + 1) * 0x9e3779b1) ^ <u32>count;
  let from = start;
  for (let slot: usize = 0; slot < count; slot++) {
    const until = load<u32>(slots + (slot << 2));
    hash = (hash ^ (until - from)) * 0x85ebca6b;
    if (until > from)
      hash ^= <u32>load<u8>(linesAt + until - 1) ^ ((<u32>load<u8>(linesAt + from)) << 8);
    hash ^= hash >> 15;
    from = load<u32>(slots + (slot << 2) + endsBehind);
  }
  hash = (hash ^ (end - from)) * 0xc2b2ae35;
  if (end > from) hash ^= load<u8>(linesAt + end - 1);
  hash ^= hash >> 13;
  return (hash ^ (hash >> 21)) & (LISTS - 1);
}

/** Whether the texts of a line are those of the first line of a template with as many slots. */
function fits(template: usize, start: u32, end: u32, slots: usize, count: usize): bool {
  const first = <usize>load<u32>(template, FIRST);
  let from = start;
  let other = load<u32>(template, START);
  for (let slot: usize = 0; slot < count << 2; slot += 4) {
    const length = load<u32>(slots + slot) - from;
    if (load<u32>(first + slot) - other != length) return false;
    if (!isSame(linesAt + from, linesAt + other, length)) return false;
    from = load<u32>(slots + slot + endsBehind);
    other = load<u32>(first + slot + endsBehind);
  }
  const length = end - from;
  return (
    load<u32>(template, END) - other == length && isSame(linesAt + from, linesAt + other, length)
  );
}

/**
 * Puts the slots of each column together, in the order of the lines. `templateOf` and `slots` are those of {@link findTemplates}; `plans` says of each template,
 * in 3 words, its new number, how many slots a line has, and where the columns of these stand, 4 bytes each, or 0 of one that is given up, whose lines go as
 * they are to column `wholeColumn`. `cursors`: where the beginning of the next value of each column goes; its end goes `endsAfter` bytes behind.
 */
export function fillColumns(
  bounds: usize,
  count: i32,
  templateOf: usize,
  wholeTemplate: u32,
  wholeColumn: u32,
  slots: usize,
  plans: usize,
  cursors: usize,
  endsAfter: usize,
): void {
  let from = slots;
  const whole = cursors + ((<usize>wholeColumn) << 2);
  for (let row: usize = 0; row < <usize>count; row++) {
    const number = <u32>load<u16>(templateOf + (row << 1));
    const plan = plans + <usize>number * 12;
    const slotsHere: usize = number == NONE ? 0 : (<usize>load<u32>(plan, 4)) << 2;
    const columns: usize = number == NONE ? 0 : <usize>load<u32>(plan, 8);
    if (columns == 0) {
      const bound = bounds + (row << 2);
      addValue(whole, load<u32>(bound), load<u32>(bound, 4), endsAfter);
      store<u16>(templateOf + (row << 1), <u16>wholeTemplate);
    } else {
      for (let slot: usize = 0; slot < slotsHere; slot += 4) {
        const cursor = cursors + ((<usize>load<u32>(columns + slot)) << 2);
        addValue(cursor, load<u32>(from + slot), load<u32>(from + slot + endsBehind), endsAfter);
      }
      store<u16>(templateOf + (row << 1), <u16>load<u32>(plan));
    }
    from += slotsHere;
  }
}

function addValue(cursor: usize, start: u32, end: u32, endsAfter: usize): void {
  const at = <usize>load<u32>(cursor);
  store<u32>(at, start);
  store<u32>(at + endsAfter, end);
  store<u32>(cursor, <u32>at + 4);
}
