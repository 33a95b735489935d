/** Entries of one stream, as the agent hands them around, in the columns that the wire takes. */
import { Labels } from "@finch/model";
import type { LogColumns } from "@finch/model";
import type { LogEntry } from "../../receivers.ts";

export function toColumns(entries: readonly LogEntry[]): LogColumns {
  const lines = entries.map((entry) => Buffer.from(entry.line));
  const lineBounds = new Uint32Array(entries.length + 1);
  const metadataOf = new Uint32Array(entries.length);
  const metadataSets: Labels[] = [Labels.EMPTY];
  const indexOf = new Map<string, number>([[Labels.EMPTY.key, 0]]);
  for (const [row, entry] of entries.entries()) {
    lineBounds[row + 1] = lineBounds[row]! + lines[row]!.length;
    let index = indexOf.get(entry.structuredMetadata.key);
    if (index === undefined) {
      index = metadataSets.push(entry.structuredMetadata) - 1;
      indexOf.set(entry.structuredMetadata.key, index);
    }
    metadataOf[row] = index;
  }
  return {
    count: entries.length,
    timestampsNs: BigInt64Array.from(entries, (entry) => entry.timestampNs),
    lines: Buffer.concat(lines),
    lineBounds,
    metadataSets,
    metadataOf,
  };
}
