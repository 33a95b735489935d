/** One entry on its way through a pipeline. One object serves all rows of a query; the line is decoded when a stage first asks for it. */
import type { Labels, LogColumns } from "@finch/model";
import { RowLabels } from "./row-labels.ts";
import type { LineScope } from "./template-functions.ts";

export class Row implements LineScope {
  readonly labels = new RowLabels();
  readonly nowNs: () => bigint;
  #entries: LogColumns | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #index = 0;
  #line: string | undefined;
  #changed = false;

  constructor(nowNs: () => bigint) {
    this.nowNs = nowNs;
  }

  /** Puts the object on row `index`. */
  begin(stream: Labels, entries: LogColumns, index: number): void {
    if (this.#entries !== entries) {
      this.#entries = entries;
      this.#bytes = bytesOf(entries);
    }
    this.#index = index;
    this.#line = undefined;
    this.#changed = false;
    this.labels.begin(stream, entries.metadataSets[entries.metadataOf[index]!]!);
  }

  get line(): string {
    const bounds = this.#entries!.lineBounds;
    return (this.#line ??= this.#bytes.toString(
      "utf8",
      bounds[this.#index],
      bounds[this.#index + 1],
    ));
  }

  set line(text: string) {
    this.#line = text;
    this.#changed = true;
  }

  /** Length of the line in bytes, as the stages left it. */
  get byteLength(): number {
    const bounds = this.#entries!.lineBounds;
    if (!this.#changed) return bounds[this.#index + 1]! - bounds[this.#index]!;
    return Buffer.byteLength(this.#line!);
  }

  get timestampNs(): bigint {
    return this.#entries!.timestampsNs[this.#index]!;
  }
}

/** The line column as the platform's buffer, whose searches and conversions are native. */
export function bytesOf({ lines }: LogColumns): Buffer {
  return Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength);
}

/** A step of a pipeline: changes the row, and says whether it stays. */
export type Stage = (row: Row) => boolean;
