/** Bodies of write requests that may be compressed as a whole. */
import { FinchError } from "@finch/runtime";
import type { HttpRequest } from "@finch/runtime/http";
import { decompressBody } from "@finch/wire";
import type { WriteLimits } from "./write-limits.ts";

/** The body, decompressed by its `Content-Encoding`: none, gzip, deflate or zstd. */
export async function readEncodedBody(
  request: HttpRequest,
  { writeBytesMax, writeDecodedBytesMax }: WriteLimits,
): Promise<Uint8Array> {
  const body = await request.readBody(writeBytesMax);
  const name = request.header("content-encoding").trim().toLowerCase();
  if (name === "" || name === "identity") return body;
  if (name === "gzip" || name === "zstd" || name === "deflate")
    return decompressBody(body, name, writeDecodedBytesMax);
  throw new FinchError(
    "unsupported-media",
    "server/bad-encoding",
    `unsupported compression: ${name}. Only "gzip", "zstd", "deflate" or no compression supported`,
  );
}
