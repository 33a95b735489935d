/** Makes log columns: some rows of others, or from lines of text. */
import { Labels } from "@finch/model";
import type { LogColumns } from "@finch/model";

/** The named rows, in that order. */
export function keepRows(entries: LogColumns, rows: readonly number[]): LogColumns {
  const count = rows.length;
  const timestampsNs = new BigInt64Array(count);
  const metadataOf = new Uint32Array(count);
  const lineBounds = new Uint32Array(count + 1);
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    timestampsNs[index] = entries.timestampsNs[row]!;
    metadataOf[index] = entries.metadataOf[row]!;
    bytes += entries.lineBounds[row + 1]! - entries.lineBounds[row]!;
    lineBounds[index + 1] = bytes;
  }
  const lines = new Uint8Array(bytes);
  for (const [index, row] of rows.entries()) {
    const line = entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]);
    lines.set(line, lineBounds[index]);
  }
  return { count, timestampsNs, lines, lineBounds, metadataSets: entries.metadataSets, metadataOf };
}

/** Columns of lines without structured metadata. */
export function columnsOfLines(
  rows: readonly { readonly timeNs: bigint; readonly line: string }[],
): LogColumns {
  const texts = rows.map((row) => Buffer.from(row.line, "utf8"));
  const lineBounds = new Uint32Array(rows.length + 1);
  for (const [index, text] of texts.entries())
    lineBounds[index + 1] = lineBounds[index]! + text.length;
  return {
    count: rows.length,
    timestampsNs: BigInt64Array.from(rows, (row) => row.timeNs),
    lines: Buffer.concat(texts),
    lineBounds,
    metadataSets: [Labels.EMPTY],
    metadataOf: new Uint32Array(rows.length),
  };
}
