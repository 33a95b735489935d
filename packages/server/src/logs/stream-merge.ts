/** Joins streams that are one once their demoted labels are structured metadata. */
import { Labels } from "@finch/model";
import type { LogBatchStream, LogColumns } from "@finch/model";
import type { SplitLabels } from "./label-demotion.ts";

/** A stream of a push with the pairs that its lines get as structured metadata. */
export interface MovedStream extends SplitLabels {
  readonly entries: LogColumns;
}

/** One stream for each label set, in the order they first come. */
export function mergeStreams(streams: readonly MovedStream[]): LogBatchStream[] {
  const groups = new Map<string, MovedStream[]>();
  for (const stream of streams) {
    const group = groups.get(stream.labels.key);
    if (group === undefined) groups.set(stream.labels.key, [stream]);
    else group.push(stream);
  }
  return [...groups.values()].map((group) => ({
    labels: group[0]!.labels,
    entries: group.length === 1 && group[0]!.demoted.length === 0 ? group[0]!.entries : join(group),
  }));
}

function join(group: readonly MovedStream[]): LogColumns {
  // Rows of a stream that ascend stand closer together in the store.
  const parts = group.toSorted((a, b) => {
    const difference = a.entries.timestampsNs[0]! - b.entries.timestampsNs[0]!;
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  });
  let count = 0;
  let bytes = 0;
  for (const { entries } of parts) {
    count += entries.count;
    bytes += entries.lineBounds[entries.count]! - entries.lineBounds[0]!;
  }
  const timestampsNs = new BigInt64Array(count);
  const lines = new Uint8Array(bytes);
  const lineBounds = new Uint32Array(count + 1);
  const metadataOf = new Uint32Array(count);
  const metadataSets: Labels[] = [Labels.EMPTY];
  let row = 0;
  for (const { entries, demoted } of parts) {
    const start = entries.lineBounds[0]!;
    const offset = lineBounds[row]!;
    timestampsNs.set(entries.timestampsNs.subarray(0, entries.count), row);
    lines.set(entries.lines.subarray(start, entries.lineBounds[entries.count]), offset);
    const numbers = new Map<number, number>();
    for (let i = 0; i < entries.count; i++, row++) {
      lineBounds[row + 1] = offset + entries.lineBounds[i + 1]! - start;
      const set = entries.metadataOf[i]!;
      let number = set === 0 && demoted.length === 0 ? 0 : numbers.get(set);
      if (number === undefined) {
        number = metadataSets.push(extend(entries.metadataSets[set]!, demoted)) - 1;
        numbers.set(set, number);
      }
      metadataOf[row] = number;
    }
  }
  return { count, timestampsNs, lines, lineBounds, metadataSets, metadataOf };
}

/** A demoted label has its name to itself: metadata of the same name is `NAME_extracted`, as behind a parser. */
function extend(metadata: Labels, demoted: readonly string[]): Labels {
  if (metadata.size === 0) return Labels.fromPairs(demoted);
  let extended = metadata;
  for (let i = 0; i < demoted.length; i += 2) {
    const name = demoted[i]!;
    const own = extended.get(name);
    if (own !== "") extended = extended.with(`${name}_extracted`, own);
    extended = extended.with(name, demoted[i + 1]!);
  }
  return extended;
}
