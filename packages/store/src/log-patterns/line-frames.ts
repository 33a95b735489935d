/**
 * Which part of a line its pattern is found in, by the template of the line. Of JSON that is the message, as in Loki, and of logfmt the message with the names of all fields around
 * it; lines without a message are of one pattern for each template. Of all other lines it is the whole.
 */
import type { ColumnValues } from "@finch/codec/kernels";
import { fieldPath, isFieldColumn } from "../log-page/slot-names.ts";
import { LINE_JSON, LINE_TEXT, LINE_WHOLE } from "../log-page/line-slots.ts";
import type { LineTemplate } from "../log-page/line-templates.ts";
import type { KernelLines } from "./column-words.ts";
import { splitTokens, WILDCARD } from "./pattern-tokens.ts";

/** Names that messages have, the first first. */
const MESSAGE_FIELDS = ["log", "message", "msg", "msg_", "_msg", "content"];

const QUOTE = 34;

export interface LineFrame {
  /** What the pattern has before and behind what is found in the line. */
  readonly before: readonly string[];
  readonly behind: readonly string[];
}

/** Words that differ. */
export interface WordColumn {
  readonly column: number;
  /** Where there are few of them: the number of each row's, and a hash of each, 0 until it is found out. */
  readonly ids: Uint8Array | undefined;
  readonly hashes: Int32Array;
}

/** What is looked at in the lines of a template. */
export type TemplateFrame =
  /** All of it. */
  | { readonly kind: "line"; readonly frame: LineFrame }
  /** The words that are not the same in all lines. */
  | {
      readonly kind: "words";
      readonly frame: LineFrame;
      readonly words: readonly WordColumn[];
      /** Columns of words that are values in any case. */
      readonly values: ReadonlySet<number>;
      /** How many words are the same in all lines. */
      readonly sameWords: number;
    }
  /** The value of a column; of all columns in `messages` a value goes by with each line. */
  | {
      readonly kind: "message";
      readonly frame: LineFrame;
      readonly column: number;
      readonly messages: readonly number[];
    }
  /** Nothing. */
  | { readonly kind: "template"; readonly frame: LineFrame; readonly messages: readonly number[] };

const NO_FRAME: LineFrame = { before: [], behind: [] };
const WHOLE_LINE: TemplateFrame = { kind: "line", frame: NO_FRAME };
const NO_HASHES = new Int32Array(0);
const JSON_MESSAGE: LineFrame = { before: [WILDCARD], behind: [WILDCARD] };

/** The frames of the templates of a page, each made when it is first asked for. */
export class LineFrames {
  readonly #lines: Uint8Array;
  readonly #split: KernelLines;
  readonly #frames: (TemplateFrame | undefined)[] = [];
  readonly #constants: (boolean | undefined)[] = [];
  /** Columns of messages, by the place of their name. */
  readonly #messageColumns: ReadonlyMap<number, number>;

  constructor(lines: Uint8Array, split: KernelLines) {
    this.#lines = lines;
    this.#split = split;
    const columns = new Map<number, number>();
    for (const [column, name] of split.columnNames.entries()) {
      const place = messagePlace(name);
      if (place >= 0) columns.set(column, place);
    }
    this.#messageColumns = columns;
  }

  of(template: number): TemplateFrame {
    return (this.#frames[template] ??= this.#make(this.#split.templates[template]!));
  }

  #make(template: LineTemplate): TemplateFrame {
    const { kind, columns } = template;
    if (kind === LINE_TEXT) {
      return this.#makeWords(columns);
    }
    if (kind === LINE_WHOLE) return WHOLE_LINE;
    const messages = [...columns].filter((column) => this.#messageColumns.has(column));
    const slot = this.#messageSlot(template);
    if (slot < 0) {
      const before = splitTokens(this.#textOf(template, 0, columns.length));
      return { kind: "template", frame: { before, behind: [] }, messages };
    }
    const column = columns[slot]!;
    if (kind === LINE_JSON) return { kind: "message", frame: JSON_MESSAGE, column, messages };
    const before = splitTokens(this.#textOf(template, 0, slot));
    const behind = splitTokens(this.#textOf(template, slot + 1, columns.length));
    return { kind: "message", frame: { before, behind }, column, messages };
  }

  #makeWords(columns: Uint32Array): TemplateFrame {
    const words: WordColumn[] = [];
    const values = new Set<number>();
    for (const column of columns) {
      if (this.#isConstant(column)) continue;
      const known = this.#split.wordsOf(column);
      if (known?.kind === "values") values.add(column);
      else if (known?.kind !== "few") words.push({ column, ids: undefined, hashes: NO_HASHES });
      else words.push({ column, ids: known.ids, hashes: new Int32Array(known.distinct) });
    }
    const sameWords = columns.length - words.length - values.size;
    return { kind: "words", frame: NO_FRAME, words, values, sameWords };
  }

  /** The slot that is the message, which is a string; -1 when there is none. */
  #messageSlot(template: LineTemplate): number {
    let found = -1;
    let best = Infinity;
    if (this.#messageColumns.size === 0) return found;
    for (let slot = 0; slot < template.columns.length; slot++) {
      const place = this.#messageColumns.get(template.columns[slot]!) ?? Infinity;
      if (place >= best) continue;
      const end = template.textEnds[slot]!;
      if (template.kind === LINE_JSON && template.text[end - 1] !== QUOTE) continue;
      found = slot;
      best = place;
    }
    return found;
  }

  /** The slots `from … to - 1` with the text before each, and the text behind them. */
  #textOf(template: LineTemplate, from: number, to: number): string {
    let text = "";
    for (let slot = from; slot < to; slot++)
      text += textBefore(template, slot) + this.#valueOf(template.columns[slot]!);
    return text + textBefore(template, to);
  }

  /** The value that all lines have in a column. */
  #valueOf(column: number): string {
    if (!this.#isConstant(column)) return WILDCARD;
    const { starts, ends } = this.#split.valuesOf(column);
    return textAt(this.#lines, starts[0]!, ends[0]!);
  }

  #isConstant(column: number): boolean {
    const words = this.#split.wordsOf(column);
    if (words !== undefined) return words.kind === "same";
    return (this.#constants[column] ??= isConstant(this.#lines, this.#split.valuesOf(column)));
  }
}

/** Whether patterns have values of the column: messages, and words of text. */
export function isMinedColumn(name: string): boolean {
  return !isFieldColumn(name) || messagePlace(name) >= 0;
}

/** Which of the names of messages the column has; -1 for none. */
function messagePlace(column: string): number {
  const path = fieldPath(column, "json") ?? fieldPath(column, "logfmt");
  return path?.length === 1 ? MESSAGE_FIELDS.indexOf(path[0]!) : -1;
}

function isConstant(lines: Uint8Array, { starts, ends, count }: ColumnValues): boolean {
  const first = starts[0]!;
  const length = ends[0]! - first;
  for (let row = 1; row < count; row++) {
    const start = starts[row]!;
    if (ends[row]! - start !== length) return false;
    for (let i = 0; i < length; i++) if (lines[start + i] !== lines[first + i]) return false;
  }
  return true;
}

export function textAt(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString();
}

/** The text between the slot before and this one. */
export function textBefore({ text, textEnds }: LineTemplate, slot: number): string {
  return textAt(text, slot === 0 ? 0 : textEnds[slot - 1]!, textEnds[slot]!);
}
