/**
 * Spreads queued records over several senders of one endpoint. A series always goes to the same one within a batch, and a batch is sent whole
 * before the next begins, so that the samples of a series arrive in order however many senders there are.
 */
import { SampleBuilder } from "./sample-builder.ts";
import { recordOf, samplesOfRecord, type WriteRecord } from "./remote-write-record.ts";

/** For each of `shards` senders its records, of `samplesMax` samples at most, in their order. */
export function spreadRecords(
  records: readonly WriteRecord[],
  options: { readonly shards: number; readonly samplesMax: number },
): readonly (readonly WriteRecord[])[] {
  const { shards, samplesMax } = options;
  const spread: WriteRecord[][] = Array.from({ length: shards }, () => []);
  const builders = Array.from({ length: shards }, () => new SampleBuilder());
  const flush = (shard: number) => {
    spread[shard]!.push(recordOf(builders[shard]!.build([])));
    builders[shard] = new SampleBuilder();
  };
  for (const record of records) {
    const set = samplesOfRecord(record);
    for (let row = 0; row < set.labels.length; row++) {
      const labels = set.labels[row]!;
      const shard = shardOf(labels.key, shards);
      builders[shard]!.copy(labels, set, row);
      if (builders[shard]!.count >= samplesMax) flush(shard);
    }
    for (const { labels, exemplar } of set.exemplars ?? [])
      builders[shardOf(labels.key, shards)]!.addExemplar(labels, exemplar);
  }
  for (const [shard, builder] of builders.entries()) if (!builder.isEmpty) flush(shard);
  return spread;
}

/** FNV-1a over the characters; the spread need not be stable over versions. */
function shardOf(key: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % shards;
}

/** How many senders the next batch gets: twice as many while batches come full, one less when they do not. */
export function nextShards(
  shards: number,
  about: { readonly min: number; readonly max: number; readonly isBehind: boolean },
): number {
  const { min, max, isBehind } = about;
  return Math.max(min, Math.min(max, isBehind ? shards * 2 : shards - 1));
}
