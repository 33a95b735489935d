/**
 * Line filters in two forms: over the bytes of a whole page at once (the leading filters of a query), and over one line of text (those
 * behind a stage that may change the line). Both mean the same.
 */
import { compileRegexp } from "@finch/model";
import type { LogColumns } from "@finch/model";
import type { LineFilterExpr, LineFilterOperand, LineFilterOperator } from "./ast.ts";
import { markFoldedRows, markRows } from "./byte-search.ts";
import { containsIp, parseIpPattern } from "./ip-match.ts";
import { matchesPattern, parseFilterPattern } from "./line-pattern.ts";
import { longestOf, readSimpleRegexp, requiredLiteral } from "./regexp-literal.ts";
import { bytesOf } from "./row.ts";
import type { Stage } from "./row.ts";

type LineTest = (line: string) => boolean;

/** How one operand finds its rows: by bytes alone, or by bytes that must be there and then a look at the line. */
interface Operand {
  /** Bytes in every matching line; empty when none are known. */
  readonly needle: Uint8Array;
  /** Whether ASCII letters of `needle` match in either case; it is lower case then. */
  readonly folded: boolean;
  /** Undefined when having the needle is all it takes. */
  readonly test: LineTest | undefined;
}

const encoder = new TextEncoder();

function isNegative(operator: LineFilterOperator): boolean {
  return operator.startsWith("!");
}

/** The filter as a stage that looks at the line's text. */
export function lineFilterStage(filter: LineFilterExpr): Stage {
  const tests = filter.operands.map((operand) => compileTest(filter.operator, operand));
  const negative = isNegative(filter.operator);
  return ({ line }) => tests.some((test) => test(line)) !== negative;
}

function compileTest(operator: LineFilterOperator, operand: LineFilterOperand): LineTest {
  const { text } = operand;
  if (operand.ip) {
    const range = parseIpPattern(text)!;
    return (line) => containsIp(line, range);
  }
  if (operator === "|=" || operator === "!=") return (line) => line.includes(text);
  if (operator === "|>" || operator === "!>") {
    const parts = parseFilterPattern(text);
    return (line) => matchesPattern(parts, line);
  }
  const regexp = compileRegexp(text, { anchored: false });
  return (line) => regexp.test(line);
}

/** A filter ready to run over pages. */
export interface PageFilter {
  readonly negative: boolean;
  readonly operands: readonly Operand[];
}

export function compilePageFilter(filter: LineFilterExpr): PageFilter {
  const { operator } = filter;
  return {
    negative: isNegative(operator),
    operands: filter.operands.flatMap((operand) => compileOperand(operator, operand)),
  };
}

function compileOperand(
  operator: LineFilterOperator,
  operand: LineFilterOperand,
): readonly Operand[] {
  const { text } = operand;
  if (operand.ip) return [bySearch("", compileTest(operator, operand))];
  if (operator === "|=" || operator === "!=") return [byBytes(text)];
  if (operator === "|>" || operator === "!>") {
    const literals = parseFilterPattern(text).flatMap((part) =>
      part.kind === "literal" ? [part.text] : [],
    );
    return [bySearch(longestOf(literals), compileTest(operator, operand))];
  }
  const simple = readSimpleRegexp(text);
  if (simple === undefined)
    return [bySearch(requiredLiteral(text), compileTest(operator, operand))];
  return simple.folded ? simple.literals.map(byFoldedBytes(text)) : simple.literals.map(byBytes);
}

function byBytes(text: string): Operand {
  return { needle: encoder.encode(text), folded: false, test: undefined };
}

function byFoldedBytes(pattern: string): (literal: string) => Operand {
  const regexp = compileRegexp(pattern, { anchored: false });
  return (literal) => ({
    needle: encoder.encode(literal.toLowerCase()),
    folded: true,
    // Used only on pages that hold the two letters beyond ASCII that fold into it.
    test: (line) => regexp.test(line),
  });
}

function bySearch(literal: string, test: LineTest): Operand {
  return { needle: encoder.encode(literal), folded: false, test };
}

/** Rows of a page that are still in. `rows[0 … count)` ascend. */
export interface Selection {
  rows: Uint32Array;
  count: number;
}

export function selectAll(count: number): Selection {
  const rows = new Uint32Array(count);
  for (let i = 0; i < count; i++) rows[i] = i;
  return { rows, count };
}

let ascending = new Uint32Array(0);

/** The same in memory that others have too: rows are not to be taken out. */
export function everyRow(count: number): Selection {
  if (count > ascending.length) ascending = selectAll(Math.max(65_536, count)).rows.slice();
  return { rows: ascending, count };
}

/** Takes the rows out that the filter drops. Lines are decoded only where bytes alone cannot decide. */
export function filterPage(entries: LogColumns, selection: Selection, filter: PageFilter): void {
  const marks = new Uint8Array(entries.count);
  for (const operand of filter.operands) markOperand(entries, selection, operand, marks);
  const keep = filter.negative ? 0 : 1;
  let kept = 0;
  for (let i = 0; i < selection.count; i++) {
    const row = selection.rows[i]!;
    if (marks[row] === keep) selection.rows[kept++] = row;
  }
  selection.count = kept;
}

function markOperand(
  entries: LogColumns,
  selection: Selection,
  operand: Operand,
  marks: Uint8Array,
): void {
  const { needle, folded, test } = operand;
  if (folded) {
    if (markFoldedRows(entries, selection, needle, marks)) return;
    markByTest(entries, selection, test!, marks);
  } else if (test === undefined) markRows(entries, selection, needle, marks);
  else if (needle.length === 0) markByTest(entries, selection, test, marks);
  else {
    const candidates = new Uint8Array(entries.count);
    markRows(entries, selection, needle, candidates);
    const narrowed: Selection = { rows: new Uint32Array(selection.count), count: 0 };
    for (let i = 0; i < selection.count; i++) {
      const row = selection.rows[i]!;
      if (candidates[row] === 1) narrowed.rows[narrowed.count++] = row;
    }
    markByTest(entries, narrowed, test, marks);
  }
}

function markByTest(
  entries: LogColumns,
  selection: Selection,
  test: LineTest,
  marks: Uint8Array,
): void {
  const bytes = bytesOf(entries);
  const bounds = entries.lineBounds;
  for (let i = 0; i < selection.count; i++) {
    const row = selection.rows[i]!;
    if (marks[row] === 1) continue;
    if (test(bytes.toString("utf8", bounds[row], bounds[row + 1]))) marks[row] = 1;
  }
}

/** What a line filter asks of the source: bytes that every line it lets pass contains. */
export interface FilterNeedles {
  readonly needles: readonly Uint8Array[];
  /** Whether every line that contains them passes, so that the filter itself has nothing left to do. */
  readonly isAll: boolean;
}

export function needlesOf({ operator, operands }: LineFilterExpr): FilterNeedles {
  const [operand] = operands;
  if (isNegative(operator) || operands.length !== 1 || operand!.ip)
    return { needles: [], isAll: false };
  const { text } = operand!;
  if (operator === "|=") return { needles: encodeAll([text]), isAll: true };
  if (operator === "|>") {
    const literals = parseFilterPattern(text).flatMap((part) =>
      part.kind === "literal" ? [part.text] : [],
    );
    return { needles: encodeAll(literals), isAll: false };
  }
  const simple = readSimpleRegexp(text);
  if (simple === undefined) return { needles: encodeAll([requiredLiteral(text)]), isAll: false };
  if (simple.folded || simple.literals.length !== 1) return { needles: [], isAll: false };
  return { needles: encodeAll(simple.literals), isAll: true };
}

function encodeAll(texts: readonly string[]): Uint8Array[] {
  return texts.filter((text) => text !== "").map((text) => encoder.encode(text));
}
