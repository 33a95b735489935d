/** Metadata of metric families in blocks: `metadata.bin`, one framed page of JSON. */
import type { MetricMetadata } from "@finch/model";
import type { Block } from "./block.ts";
import { FILE_HEADER_BYTES, framePage } from "./block-format.ts";
import type { BlockFile } from "./block-writer.ts";
import { METADATA_FILE } from "./file-names.ts";

/** A frame around the empty list. */
const EMPTY_BYTES = 6;

export async function writeMetadata(
  createFile: (name: string) => Promise<BlockFile>,
  metadata: readonly MetricMetadata[],
): Promise<void> {
  const file = await createFile(METADATA_FILE);
  await file.append(framePage(new TextEncoder().encode(JSON.stringify(metadata))));
}

/** Damage is thrown with its place. */
export async function readBlockMetadata(block: Block): Promise<readonly MetricMetadata[]> {
  const bytes = block.meta.files[METADATA_FILE]?.bytes ?? FILE_HEADER_BYTES;
  if (bytes === FILE_HEADER_BYTES + EMPTY_BYTES) return [];
  const place = { offset: FILE_HEADER_BYTES, length: bytes - FILE_HEADER_BYTES };
  const body = await block.readPage(METADATA_FILE, place);
  try {
    return JSON.parse(new TextDecoder().decode(body)) as MetricMetadata[];
  } catch {
    throw block.damage(METADATA_FILE, FILE_HEADER_BYTES, "this is not JSON");
  }
}
