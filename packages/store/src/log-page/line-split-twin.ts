/** What codec's kernel `line-split` does, in plain TypeScript: tests hold the kernel to it. */
import type { ColumnValues, FoundTemplate } from "@finch/codec/kernels";
import type { LogColumns } from "@finch/model";
import { findSlots, LINE_WHOLE, LineSlots } from "./line-slots.ts";
import { planSplit } from "./line-split.ts";
import type { SplitLines } from "./line-split.ts";
import { TemplateTable } from "./line-templates.ts";
import { ValueRefs } from "./value-refs.ts";

/** Of lines without a template. */
const NONE = 0xffff;

export interface PlainlySplitLines extends SplitLines {
  /** Number of the template of each row. */
  readonly templateOf: Uint16Array;
  /** Values of each column, in the lines. */
  readonly columns: readonly ColumnValues[];
}

export function splitLinesPlainly(entries: LogColumns): PlainlySplitLines {
  const { count, lines, lineBounds } = entries;
  const slots = new LineSlots();
  const table = new TemplateTable();
  const templateOf = new Uint16Array(count);
  /** Of each line. */
  const starts: Uint32Array[] = [];
  const ends: Uint32Array[] = [];
  const found: (Omit<FoundTemplate, "rows"> & { rows: number })[] = [];
  for (let row = 0; row < count; row++) {
    const start = lineBounds[row]!;
    const end = lineBounds[row + 1]!;
    const kind = findSlots(lines, start, end, slots);
    const slotStarts = (starts[row] = slots.starts.slice(0, slots.count));
    const slotEnds = (ends[row] = slots.ends.slice(0, slots.count));
    const number = kind === LINE_WHOLE ? -1 : table.find(lines, { start, end }, kind, slots);
    templateOf[row] = number < 0 ? NONE : number;
    if (number === found.length) found.push({ kind, rows: 0, start, end, slotStarts, slotEnds });
    if (number >= 0) found[number]!.rows++;
  }
  const plan = planSplit(lines, count, found);
  const refs = plan.columnNames.map(() => new ValueRefs());
  for (let row = 0; row < count; row++) {
    const known = plan.plans[templateOf[row]!];
    if (known?.columns === undefined) {
      refs[plan.whole.column]!.add(lineBounds[row]!, lineBounds[row + 1]!);
      templateOf[row] = plan.whole.template;
      continue;
    }
    for (const [slot, column] of known.columns.entries())
      refs[column]!.add(starts[row]![slot]!, ends[row]![slot]!);
    templateOf[row] = known.number;
  }
  const columns = refs.map((values) => values.values());
  return { templates: plan.templates, templateOf, columnNames: plan.columnNames, columns };
}
