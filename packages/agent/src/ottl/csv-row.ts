/** One row of CSV with quotes, as Go's `encoding/csv` reads it; a line break inside stays in its field. */
import { OttlRunFault } from "./fault.ts";

/** `isLazy` takes a quote inside of a field as it stands. Throws an OttlRunFault at a quote that does not fit. */
export function parseCsvRow(
  row: string,
  { delimiter, isLazy }: { readonly delimiter: string; readonly isLazy: boolean },
): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const { field, end } =
      row[at] === '"'
        ? readQuoted(row, at, { delimiter, isLazy })
        : readBare(row, at, { delimiter, isLazy });
    fields.push(field);
    if (end >= row.length) return fields;
    at = end + delimiter.length;
  }
}

interface Reading {
  readonly delimiter: string;
  readonly isLazy: boolean;
}

function readBare(row: string, start: number, { delimiter, isLazy }: Reading) {
  const found = row.indexOf(delimiter, start);
  const end = found < 0 ? row.length : found;
  const field = row.slice(start, end);
  if (!isLazy && field.includes('"'))
    throw new OttlRunFault(`ParseCSV: a quote inside of the field ${JSON.stringify(field)}`);
  return { field, end };
}

function readQuoted(row: string, start: number, { delimiter, isLazy }: Reading) {
  let field = "";
  for (let i = start + 1; i < row.length; i++) {
    if (row[i] !== '"') {
      field += row[i]!;
      continue;
    }
    const next = row[i + 1];
    if (next === '"') {
      field += '"';
      i++;
    } else if (next === undefined || next === delimiter) return { field, end: i + 1 };
    else if (isLazy) field += '"';
    else throw new OttlRunFault("ParseCSV: text behind a closing quote");
  }
  if (isLazy) return { field, end: row.length };
  throw new OttlRunFault("ParseCSV: a quote is not closed");
}
