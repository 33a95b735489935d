/**
 * Takes the lines of a page apart: the template of each, and for each column where its values stand. Templates of few lines are given up and their lines kept
 * whole: a column of few values takes more room than it saves. Codec's kernel `line-split` goes through the lines; `line-split-twin.ts` does the same
 * without it.
 */
import type { FoundTemplate, LogPageKernel } from "@finch/codec/kernels";
import type { LogColumns } from "@finch/model";
import { LINE_TEXT, LINE_WHOLE } from "./line-slots.ts";
import type { LineKind } from "./line-slots.ts";
import type { LineTemplate } from "./line-templates.ts";
import { makeTemplateText } from "./line-templates.ts";
import { nameSlots } from "./slot-names.ts";

/** Lines of text that a template has at least. */
const TEXT_ROWS_MIN = 16;
/** The same of JSON and logfmt, whose columns are shared between templates, where a page has more templates than it can do with. */
const FIELD_ROWS_MIN = 4;
const FIELD_TEMPLATES_MAX = 64;
/** A field with a longer path is no column. */
const NAME_LENGTH_MAX = 512;

/** What lines fell apart into; which template each line has and where values stand is in the kernel (`filledTemplates`, `filledColumn`). */
export interface SplitLines {
  readonly templates: readonly LineTemplate[];
  readonly columnNames: readonly string[];
}

/** What becomes of the templates that were found. */
export interface SplitPlan {
  /** Those that stay, and that of lines kept whole when there are any. */
  readonly templates: readonly LineTemplate[];
  readonly columnNames: readonly string[];
  /** Values of each column. */
  readonly columnRows: Uint32Array;
  /** Of each template found: its new number, and the columns of its slots unless it is given up. */
  readonly plans: readonly { readonly number: number; readonly columns: Uint32Array | undefined }[];
  /** Template and column of lines kept whole. */
  readonly whole: { readonly template: number; readonly column: number };
}

/** Splits the lines that `kernel` has been given. */
export function splitLines(kernel: LogPageKernel, { lines, count }: LogColumns): SplitLines {
  const plan = planSplit(lines, count, kernel.findTemplates());
  kernel.fillColumns(plan.plans, plan.columnRows, plan.whole);
  return { templates: plan.templates, columnNames: plan.columnNames };
}

/** Chooses which of the templates of `count` lines stay, and names their columns. */
export function planSplit(
  lines: Uint8Array,
  count: number,
  found: readonly FoundTemplate[],
): SplitPlan {
  const fieldRowsMin = found.length > FIELD_TEMPLATES_MAX ? FIELD_ROWS_MIN : 1;
  const templates: LineTemplate[] = [];
  const columnNames: string[] = [];
  const columnRows: number[] = [];
  const columnOf = new Map<string, number>();
  const takeColumn = (name: string, rows: number): number => {
    let column = columnOf.get(name);
    if (column === undefined) {
      column = columnNames.length;
      columnNames.push(name);
      columnRows.push(0);
      columnOf.set(name, column);
    }
    columnRows[column]! += rows;
    return column;
  };
  let rowsLeft = count;
  const plans = found.map((template, number) => {
    const kind = template.kind as LineKind;
    const { rows } = template;
    if (rows < (kind === LINE_TEXT ? TEXT_ROWS_MIN : fieldRowsMin)) return GIVEN_UP;
    const slots = {
      count: template.slotStarts.length,
      starts: template.slotStarts,
      ends: template.slotEnds,
    };
    const names = nameSlots(lines, template.start, kind, slots);
    if (names.some((name) => name.length > NAME_LENGTH_MAX)) return GIVEN_UP;
    const columns = Uint32Array.from(names, (name) =>
      // Slots of text stand for nothing beyond their template.
      takeColumn(kind === LINE_TEXT ? `t${number}.${name.slice(1)}` : name, rows),
    );
    rowsLeft -= rows;
    templates.push({ ...makeTemplateText(lines, template, kind, slots), columns });
    return { number: templates.length - 1, columns };
  });
  const whole = { template: templates.length, column: columnNames.length };
  if (rowsLeft > 0) {
    const columns = Uint32Array.of(takeColumn("w0", rowsLeft));
    const text = new Uint8Array(0);
    templates.push({ kind: LINE_WHOLE, text, textEnds: new Uint32Array(2), columns });
  }
  return { templates, columnNames, columnRows: Uint32Array.from(columnRows), plans, whole };
}

const GIVEN_UP = { number: 0, columns: undefined };
