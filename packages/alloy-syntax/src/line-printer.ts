/**
 * Puts tokens, comments and white space into lines, then aligns them. White space waits until the next token is written, because a comment that
 * comes first decides about it.
 *
 * A line is made of cells; an aligned cell is as wide as the widest one at its place in a run of neighbouring lines. A run ends at `breakRun`, at
 * a blank line, where the indentation changes, and where a line has no such cell.
 */
import type { Source } from "./source.ts";
import type { Comment } from "./tokens.ts";

type Pending = "blank" | "align" | "newline" | "break" | "indent" | "unindent";

interface Line {
  indent: number;
  /** All but the last are padded. */
  readonly cells: string[];
  /** A run of aligned lines ends behind this line. */
  endsRun: boolean;
}

/** Newlines in a row: one blank line is kept, more are not. */
const NEWLINES_MAX = 2;

export class LinePrinter {
  readonly #source: Source;
  readonly #comments: readonly Comment[];
  #nextComment = 0;
  readonly #lines: Line[] = [{ indent: 0, cells: [""], endsRun: false }];
  #pending: Pending[] = [];
  #depth = 0;
  #isEmpty = true;
  /** Newlines within raw strings and block comments. */
  #newlinesInside = 0;
  /** Line in the source of what was written last. */
  #lastLine = 1;

  constructor(source: Source, comments: readonly Comment[]) {
    this.#source = source;
    this.#comments = comments;
  }

  /** Counts the lines that end before what is written last; equal before and behind something that stands on one line. */
  get row(): number {
    return this.#lines.length + this.#newlinesInside;
  }

  blank(): void {
    this.#pending.push("blank");
  }

  /** Ends a cell. */
  align(): void {
    this.#pending.push("align");
  }

  newline(): void {
    this.#pending.push("newline");
  }

  /** A newline behind which a new run of aligned lines begins. */
  breakRun(): void {
    this.#pending.push("break");
  }

  indent(): void {
    this.#pending.push("indent");
  }

  unindent(): void {
    this.#pending.push("unindent");
  }

  /** Writes a token; comments that stand before `offset` in the source come first. Without an offset it follows the last token closely. */
  token(text: string, offset?: number): void {
    if (offset !== undefined && (this.#comments[this.#nextComment]?.start ?? Infinity) < offset) {
      this.#writeComments(offset);
    } else this.#applyPending();
    this.#write(text);
    if (offset !== undefined) this.#lastLine = this.#source.lineOf(offset + text.length - 1);
  }

  finish(): string {
    this.#writeComments(Infinity);
    const text = alignLines(this.#lines)
      .map((line) => line.trimEnd())
      .join("\n")
      .trim();
    return text === "" ? "" : `${text}\n`;
  }

  #write(text: string): void {
    const line = this.#lines.at(-1)!;
    if (line.cells.length === 1 && line.cells[0] === "") line.indent = this.#depth;
    line.cells[line.cells.length - 1] += text;
    if (text.includes("\n")) this.#newlinesInside += text.split("\n").length - 1;
    this.#isEmpty = false;
  }

  #applyPending(): void {
    for (const what of this.#pending) {
      if (what === "indent") this.#depth++;
      else if (what === "unindent") this.#depth--;
      else if (what === "blank") this.#write(" ");
      else if (what === "align") this.#lines.at(-1)!.cells.push("");
      else this.#startLine(what === "break");
    }
    this.#pending = [];
  }

  #startLine(endsRun: boolean): void {
    if (this.#isEmpty) return;
    this.#lines.at(-1)!.endsRun ||= endsRun;
    this.#lines.push({ indent: this.#depth, cells: [""], endsRun: false });
  }

  #startLines(count: number, endsRun: boolean): void {
    for (let i = 0; i < Math.min(count, NEWLINES_MAX); i++) this.#startLine(endsRun);
  }

  /** Writes the comments before `next`, and the white space between the last one and the token at `next`. */
  #writeComments(next: number): void {
    const nextLine = next === Infinity ? Infinity : this.#source.lineOf(next);
    let last: Comment | undefined;
    for (
      let comment = this.#comments[this.#nextComment];
      comment !== undefined && comment.start < next;
      comment = this.#comments[this.#nextComment]
    ) {
      this.#beforeComment(comment, nextLine);
      this.#write(comment.text);
      this.#lastLine = this.#source.lineOf(comment.end - 1);
      this.#nextComment++;
      last = comment;
    }
    if (next === Infinity || last === undefined) return;
    if (last.text.startsWith("/*") && this.#lastLine === nextLine) this.#write(" ");
    const endsRun = this.#pending.includes("break");
    this.#applyIndents(this.#pending.length);
    this.#startLines(nextLine - this.#lastLine, endsRun);
  }

  #beforeComment(comment: Comment, nextLine: number): void {
    if (this.#isEmpty) return;
    const line = this.#source.lineOf(comment.start);
    if (line === this.#lastLine) {
      if (line === nextLine) this.#write(" ");
      else this.#lines.at(-1)!.cells.push("");
      return;
    }
    // Indentation that was asked for before the newline holds for the comment, too.
    const firstBreak = this.#pending.findIndex((what) => what !== "indent" && what !== "unindent");
    this.#applyIndents(firstBreak < 0 ? this.#pending.length : firstBreak);
    this.#startLines(line - this.#lastLine, true);
  }

  /** Takes the first `count` pending things away, keeping only what they say about indentation. */
  #applyIndents(count: number): void {
    for (const what of this.#pending.splice(0, count)) {
      if (what === "indent") this.#depth++;
      else if (what === "unindent") this.#depth--;
    }
  }
}

function alignLines(lines: readonly Line[]): string[] {
  const padded = lines.map((line) => [...line.cells]);
  const columns = lines.reduce((most, line) => Math.max(most, line.cells.length), 1) - 1;
  for (let column = 0; column < columns; column++) {
    for (let start = 0; start < lines.length;) {
      const end = endOfRun(lines, start, column);
      let width = 0;
      for (let i = start; i < end; i++) width = Math.max(width, lengthOf(padded[i]![column]!));
      for (let i = start; i < end; i++) {
        padded[i]![column] += " ".repeat(width + 1 - lengthOf(padded[i]![column]!));
      }
      start = Math.max(end, start + 1);
    }
  }
  return padded.map((cells, index) => "\t".repeat(lines[index]!.indent) + cells.join(""));
}

/** The index behind the neighbouring lines, from `start` on, that have a padded cell at `column`. */
function endOfRun(lines: readonly Line[], start: number, column: number): number {
  const { indent } = lines[start]!;
  let end = start;
  while (
    end < lines.length &&
    lines[end]!.cells.length > column + 1 &&
    lines[end]!.indent === indent
  ) {
    if (lines[end++]!.endsRun) break;
  }
  return end;
}

/** In characters; of a cell that spans lines, only the last line counts. */
function lengthOf(text: string): number {
  return Array.from(text.slice(text.lastIndexOf("\n") + 1)).length;
}
