/** Bodies of write requests that may be compressed as a whole. */
import { FinchError } from "@finch/runtime";
import type { HttpRequest } from "@finch/runtime/http";
import { decompressBody } from "@finch/wire";
import type { BodyEncoding } from "@finch/wire";

/** What metrics come in by. */
export const METRIC_ENCODINGS: readonly BodyEncoding[] = ["gzip", "zstd", "deflate"];

/** The body, decompressed by its `Content-Encoding`, which is none or one of `encodings`. */
export async function readEncodedBody(
  request: HttpRequest,
  limits: { readonly writeBytesMax: number; readonly writeDecodedBytesMax: number },
  encodings: readonly BodyEncoding[] = METRIC_ENCODINGS,
): Promise<Uint8Array> {
  const body = await request.readBody(limits.writeBytesMax);
  const name = request.header("content-encoding").trim().toLowerCase();
  if (name === "" || name === "identity") return body;
  const encoding = encodings.find((one) => one === name);
  if (encoding !== undefined) return decompressBody(body, encoding, limits.writeDecodedBytesMax);
  const known = encodings.map((one) => JSON.stringify(one)).join(", ");
  throw new FinchError(
    "unsupported-media",
    "server/bad-encoding",
    `unsupported compression: ${name}. Only ${known} or no compression supported`,
  );
}
