/** Reads a compressed log file once, from an offset of its decompressed bytes to its end. */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip, createInflate } from "node:zlib";
import type { Transform } from "node:stream";
import { LineSplitter } from "./line-splitter.ts";

const BATCH_LINES_MAX = 2000;

export type CompressionFormat = "gz" | "z";

/**
 * Gives lines to `deliver` in batches, with the offset (decompressed) after each; the last line need not end in a newline. Waits for `deliver`
 * before it reads on. A damaged file rejects after what could be read was delivered.
 */
export async function readCompressedLines(
  path: string,
  options: {
    readonly format: CompressionFormat;
    readonly offset: number;
    readonly encoding: string;
    readonly signal: AbortSignal;
  },
  deliver: (lines: readonly string[], offset: number) => Promise<void>,
): Promise<void> {
  const splitter = new LineSplitter(options.encoding);
  let offset = 0;
  const take = async (lines: readonly string[], end: number) => {
    for (let at = 0; at < lines.length; at += BATCH_LINES_MAX) {
      const batch = lines.slice(at, at + BATCH_LINES_MAX);
      const isLast = at + BATCH_LINES_MAX >= lines.length;
      await deliver(batch, isLast ? end : options.offset);
    }
  };
  const inflate: Transform = options.format === "gz" ? createGunzip() : createInflate();
  await pipeline(
    createReadStream(path),
    inflate,
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        const skip = Math.min(chunk.length, Math.max(0, options.offset - offset));
        offset += chunk.length;
        const lines: string[] = [];
        splitter.push(chunk.subarray(skip), lines);
        await take(lines, offset - splitter.pendingBytes);
      }
      const last = splitter.flush();
      if (last !== undefined) await take([last], offset);
    },
    { signal: options.signal },
  );
}
