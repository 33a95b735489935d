/**
 * What a search for a text means for a column of numbers or times: which have it is told by comparing numbers, or from the head of the column alone. Numbers
 * are written out only where a point could be the decimal one or part of what stands around all of them.
 */
import { BYTE_CLASSES, DIGITS } from "./column-format.ts";
import type { ColumnHead, NumberText } from "./column-format.ts";
import type { ValueMatch } from "./column-search.ts";

/** Digits that stand somewhere in numbers, or in the whole or the fraction of them. */
export interface DigitsSought {
  /** `value`: there is nothing else; `front`, `back`: numbers begin or end with them; `within`: they stand anywhere. */
  readonly place: "value" | "front" | "back" | "within";
  readonly value: number;
  /** 10 to the power of how many digits they are. */
  readonly power: number;
  /** What they stand in is written with at least so many digits; 0: without zeros in front. */
  readonly width: number;
  /** Numbers are divided by it before, and the remainder of the division by `modulus` is taken, unless it is 0. */
  readonly divisor: number;
  readonly modulus: number;
}

/** A column matches when one of these does; `all` and `none` of its numbers; undefined when they have to be written out. */
export type NumbersSought = "all" | "none" | readonly DigitsSought[] | undefined;

const DIGITS_MAX = 15;
const POINT = 46;
const ZERO = 48;

/** What the match means for numbers with this head. */
export function seekNumbers(
  { prefix, suffix, ...text }: NumberText,
  match: ValueMatch,
): NumbersSought {
  const { kind, text: sought } = match;
  let from = 0;
  while (from < sought.length && !isDigit(sought[from]!)) from++;
  if (from === sought.length) return seekAffix({ prefix, suffix, ...text }, match);
  let to = sought.length;
  while (!isDigit(sought[to - 1]!)) to--;
  const hasPoint = text.decimals > 0;
  if (hasPoint && (sought[from - 1] === POINT || sought[to] === POINT)) return undefined;
  const isAtFront = from > 0 || kind === "begins" || kind === "equals";
  const isAtBack = to < sought.length || kind === "ends" || kind === "equals";
  const isWholePrefix = kind === "begins" || kind === "equals";
  const isWholeSuffix = kind === "ends" || kind === "equals";
  if (from > prefix.length || (isWholePrefix && from !== prefix.length)) return "none";
  if (sought.length - to > suffix.length || (isWholeSuffix && sought.length - to !== suffix.length))
    return "none";
  if (!isAt(prefix, prefix.length - from, sought.subarray(0, from))) return "none";
  if (!isAt(suffix, 0, sought.subarray(to))) return "none";
  return seekDigits(text, sought.subarray(from, to), { isAtFront, isAtBack });
}

/** A text without digits stands in what is around all numbers, or nowhere. */
function seekAffix(
  { prefix, suffix, decimals }: NumberText,
  { kind, text }: ValueMatch,
): NumbersSought {
  const isPoint = decimals > 0 && text.length === 1 && text[0] === POINT;
  const isIn =
    kind === "contains"
      ? isPoint || contains(prefix, text) || contains(suffix, text)
      : kind === "begins"
        ? text.length <= prefix.length && isAt(prefix, 0, text)
        : kind === "ends"
          ? text.length <= suffix.length && isAt(suffix, suffix.length - text.length, text)
          : false;
  return isIn ? "all" : "none";
}

interface Ends {
  readonly isAtFront: boolean;
  readonly isAtBack: boolean;
}

function seekDigits(
  { decimals, digits }: Pick<NumberText, "decimals" | "digits">,
  text: Uint8Array,
  ends: Ends,
): NumbersSought {
  const point = text.indexOf(POINT);
  const count = point < 0 ? text.length : text.length - 1;
  if (count > DIGITS_MAX) return "none";
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    if (i === point) continue;
    if (!isDigit(text[i]!)) return "none";
    value = value * 10 + text[i]! - ZERO;
  }
  const power = 10 ** count;
  const { isAtFront, isAtBack } = ends;
  const place: DigitsSought["place"] = isAtFront
    ? isAtBack
      ? "value"
      : "front"
    : isAtBack
      ? "back"
      : "within";
  const has0 = text[0] === ZERO;
  if (decimals === 0) {
    if (point >= 0) return "none";
    return [{ place, value, power, width: digits, divisor: 1, modulus: 0 }].filter((sought) =>
      canBe(sought, count, has0),
    );
  }
  const unit = 10 ** decimals;
  if (point < 0) {
    const inWhole = { place, value, power, width: 0, divisor: unit, modulus: 0 };
    const inFraction = { place, value, power, width: decimals, divisor: 1, modulus: unit };
    if (place === "value") return "none";
    const some: DigitsSought[] = [];
    if (!isAtBack) some.push(inWhole);
    if (!isAtFront) some.push(inFraction);
    return some.filter((sought) => canBe(sought, count, has0));
  }
  // The point is where the whole ends.
  const fraction = text.length - 1 - point;
  if (fraction > decimals || (isAtBack && fraction < decimals)) return "none";
  const divisor = 10 ** (decimals - fraction);
  const wholePlace = isAtFront ? "value" : "back";
  // Zero has no zeros in front, which its fraction would lack: widths count both.
  const sought = { place: wholePlace, value, power, divisor, modulus: 0 } as const;
  if (point > 1 && has0) return isAtFront ? "none" : [{ ...sought, width: -1 }];
  return [{ ...sought, width: fraction + 1 }];
}

/** Whether numbers of that width can have so many digits there, the first of which is perhaps a zero. */
function canBe({ place, width }: DigitsSought, count: number, has0: boolean): boolean {
  if (width > 0) return place === "value" ? count === width : count <= width;
  return !has0 || count === 1 || place === "back" || place === "within";
}

/** Whether a number has the digits. */
export function hasDigits(number: number, sought: DigitsSought): boolean {
  const { place, value, power, width, divisor, modulus } = sought;
  let rest = divisor === 1 ? number : Math.floor(number / divisor);
  if (modulus > 0) rest %= modulus;
  if (place === "value") return rest === value;
  if (width > 0) return hasPadded(rest, sought);
  // A zero in front of them is part of a longer number, or a number by itself.
  const least = value < power / 10 ? power : value;
  if (rest === 0 && value === 0 && power === 10 && width === 0) return true;
  if (place === "back") return rest >= least && rest % power === value;
  if (place === "front") {
    if (value < power / 10) return false;
    while (rest >= power) rest = Math.floor(rest / 10);
    return rest === value;
  }
  for (; rest >= least; rest = Math.floor(rest / 10)) if (rest % power === value) return true;
  return false;
}

/** The same of one that is written with `width` digits. */
function hasPadded(number: number, { place, value, power, width }: DigitsSought): boolean {
  if (place === "back") return number % power === value;
  const most = 10 ** width;
  if (place === "front") return Math.floor(number / (most / power)) === value;
  let rest = number;
  for (let reach = power; reach <= most; reach *= 10, rest = Math.floor(rest / 10))
    if (rest % power === value) return true;
  return false;
}

/** What the digits and marks of a time are. */
const TIME_MARKS = new TextEncoder().encode("0000-00-00T00:00:00.000Z");

/** Whether a text can stand in times at all. */
export function canBeTime({ kind, text }: ValueMatch): boolean {
  const last = TIME_MARKS.length - text.length;
  if (last < 0 || (kind === "equals" && last > 0)) return false;
  const from = kind === "ends" ? last : 0;
  const to = kind === "contains" ? last : from;
  for (let at = from; at <= to; at++) if (fitsTime(text, at)) return true;
  return false;
}

function fitsTime(text: Uint8Array, at: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const mark = TIME_MARKS[at + i]!;
    if (mark === ZERO ? !isDigit(text[i]!) : mark !== text[i]) return false;
  }
  return true;
}

/** Whether no number of the column can match, told from its head: its bytes a number bound it. */
export function isBeyond({ planes }: ColumnHead, sought: readonly DigitsSought[]): boolean {
  if (sought.length === 0) return true;
  if (planes === undefined || planes.isDelta) return false;
  const least = planes.base;
  const most = planes.base + 256 ** planes.width - 1;
  return sought.every(
    ({ place, value, divisor, modulus }) =>
      place === "value" &&
      modulus === 0 &&
      (value < Math.floor(least / divisor) || value > Math.floor(most / divisor)),
  );
}

function isDigit(c: number): boolean {
  return BYTE_CLASSES[c]! === DIGITS;
}

function isAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}

function contains(bytes: Uint8Array, text: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(text);
}
