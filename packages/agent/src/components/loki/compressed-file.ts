/** Reads a compressed log file once, from an offset of its decompressed bytes to its end. */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip, createInflate } from "node:zlib";
import type { Transform } from "node:stream";
import { LineSplitter } from "./line-splitter.ts";

export type CompressionFormat = "gz" | "z";

/**
 * Gives lines to `deliver` in batches, the same ones in each run, with the decompressed bytes they took; the last line need not end in a newline. Waits for
 * `deliver` before it reads on. A damaged file rejects after what could be read was delivered.
 */
export async function readCompressedLines(
  path: string,
  options: {
    readonly format: CompressionFormat;
    readonly offset: number;
    readonly encoding: string;
    readonly signal: AbortSignal;
  },
  deliver: (lines: readonly string[], from: number, to: number) => Promise<void>,
): Promise<void> {
  const splitter = new LineSplitter(options.encoding);
  let offset = 0;
  let from = options.offset;
  const take = async (lines: readonly string[], to: number) => {
    if (lines.length > 0) await deliver(lines, from, to);
    from = to;
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
