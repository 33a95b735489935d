/**
 * The grams of a page, column by column: what all lines of a template share, and values that many lines have, are gone through once. In lines of JSON and logfmt no
 * word reaches from the text into a value or out of it; lines of other kinds are gone through as they are.
 */
import type { EncodedValues, LogPageKernel } from "@finch/codec/kernels";
import { LINE_JSON, LINE_LOGFMT } from "./line-slots.ts";
import type { LineTemplate } from "./line-templates.ts";
import { isFieldColumn } from "./slot-names.ts";

/** Begins the grams of a page whose columns are filled: adds those that stand in no column of fields. */
export function beginPageGrams(kernel: LogPageKernel, templates: readonly LineTemplate[]): void {
  kernel.beginGrams();
  const isWhole = Uint8Array.from(templates, (template) => (hasFields(template) ? 0 : 1));
  if (isWhole.includes(1)) kernel.addLineGrams(isWhole);
  for (const template of templates)
    if (hasFields(template)) kernel.addTextGrams(template.text, template.textEnds);
}

/** Adds those of a column that was just encoded. */
export function addPageGrams(
  kernel: LogPageKernel,
  column: { readonly number: number; readonly name: string },
  values: EncodedValues,
): void {
  if (isFieldColumn(column.name)) kernel.addColumnGrams(column.number, values);
}

function hasFields({ kind }: LineTemplate): boolean {
  return kind === LINE_JSON || kind === LINE_LOGFMT;
}
