/**
 * A large directory at start: one real block, sealed by Finch, is linked until the blocks together have the size, each copy two hours before the
 * one it follows. Then the time from start to ready, beside that of an empty directory.
 */
import { linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { bytesBelow, startFinch } from "./metric-servers.ts";
import { residentBytes } from "./process-usage.ts";
import { sendTraffic } from "./remote-write-sender.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";
import { prepareTraffic, readTraffic } from "./traffic-recording.ts";
import { SCRAPE_INTERVAL_MS } from "./traffic-values.ts";

const INTERVALS = 120;
const SECONDS_MAX = 2;
const DAY_MS = 86_400_000;
const SHIFT_MS = 2 * 3_600_000;

export async function measureOpen(
  context: ScaleContext,
  { bytes, series }: { readonly bytes: number; readonly series: number },
): Promise<ScaleResult> {
  const { cache, directory, nodeFlags, say } = context;
  const emptySeconds = await secondsToReady(`${directory}-empty`, nodeFlags);
  const endMs = Date.now() - 60_000;
  const options = { series, intervals: INTERVALS, intervalMs: SCRAPE_INTERVAL_MS, seed: 1 };
  const traffic = prepareTraffic(join(cache, `open-${series}`), options, {
    endMs,
    notBeforeMs: endMs - DAY_MS,
  });
  {
    say(`a block of ${series} series × ${INTERVALS} scrapes`);
    await using server = await startFinch({ directory, flags: ["--log-level=error"] });
    await sendTraffic(readTraffic(traffic.path), { url: server.url });
    await server.flush();
  }
  const blocks = join(directory, "metrics", "blocks");
  say("linking it");
  const count = multiplyBlocks(blocks, bytes);
  const onDisk = bytesBelow(blocks);
  const started = performance.now();
  await using server = await startFinch({ directory, nodeFlags });
  const seconds = (performance.now() - started) / 1000;
  const { current } = residentBytes(server.pid);
  const asked = performance.now();
  const query = new URLSearchParams({
    query: 'count({__name__="up"})',
    time: String(Math.floor(traffic.endMs / 1000) - 60),
  });
  const reply = await fetch(`${server.url}/api/v1/query?${query.toString()}`);
  const answer = await reply.text();
  if (!reply.ok || !answer.includes('"value"'))
    throw new Error(`the directory answers ${reply.status}: ${answer.slice(0, 300)}`);
  return {
    figures: {
      blocks: count,
      "GB in blocks": onDisk / 1e9,
      "s to ready when empty": emptySeconds,
      "RSS when ready, MB": current / 1e6,
      "first query, ms": performance.now() - asked,
    },
    curve: [],
    targets: [{ what: "s from start to ready", value: seconds, limit: SECONDS_MAX }],
  };
}

async function secondsToReady(directory: string, nodeFlags: readonly string[]): Promise<number> {
  const started = performance.now();
  await using _ = await startFinch({ directory, nodeFlags });
  return (performance.now() - started) / 1000;
}

interface SignedMeta {
  readonly meta: { readonly block: number; readonly minMs: number; readonly maxMs: number };
  readonly crc32: number;
}

/** Adds copies of the first block until all have `bytes`; returns how many blocks there are. */
function multiplyBlocks(blocks: string, bytes: number): number {
  const names = readdirSync(blocks).toSorted();
  const source = join(blocks, names[0]!);
  const signed = JSON.parse(readFileSync(join(source, "meta.json"), "utf8")) as SignedMeta;
  const perBlock = bytesBelow(source);
  const copies = Math.max(0, Math.ceil((bytes - bytesBelow(blocks)) / perBlock));
  const firstFree = Math.max(...names.map((name) => numberOf(name))) + 1;
  for (let i = 0; i < copies; i++) {
    const meta = {
      ...signed.meta,
      block: firstFree + i,
      minMs: signed.meta.minMs - (i + 1) * SHIFT_MS,
      maxMs: signed.meta.maxMs - (i + 1) * SHIFT_MS,
    };
    const directory = join(blocks, nameLike(names[0]!, meta.block));
    mkdirSync(directory);
    for (const file of readdirSync(source))
      if (file !== "meta.json") linkSync(join(source, file), join(directory, file));
    const checksum = crc32(new TextEncoder().encode(JSON.stringify(meta)));
    writeFileSync(join(directory, "meta.json"), JSON.stringify({ meta, crc32: checksum }));
  }
  return names.length + copies;
}

const numberOf = (name: string) => Number(/\d+/.exec(name)?.[0] ?? 0);

/** The name of another block in the manner of `name`, digits padded likewise. */
function nameLike(name: string, block: number): string {
  return name.replace(/\d+/, (digits) => String(block).padStart(digits.length, "0"));
}
