/** One entry on its way through a pipeline. One object serves all rows of a query; the line is decoded when a stage first asks for it. */
import type { Labels, LogColumns } from "@finch/model";
import { RowLabels } from "./row-labels.ts";
import type { TemplateScope } from "./template-functions.ts";

const decoder = new TextDecoder();

export class Row implements TemplateScope {
  readonly labels = new RowLabels();
  readonly nowNs: () => bigint;
  #entries: LogColumns | undefined;
  #index = 0;
  #line: string | undefined;
  #changed = false;

  constructor(nowNs: () => bigint) {
    this.nowNs = nowNs;
  }

  /** Puts the object on row `index`. */
  begin(stream: Labels, entries: LogColumns, index: number): void {
    this.#entries = entries;
    this.#index = index;
    this.#line = undefined;
    this.#changed = false;
    this.labels.begin(stream, entries.metadataSets[entries.metadataOf[index]!]!);
  }

  get line(): string {
    return (this.#line ??= decodeLine(this.#entries!, this.#index));
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

/** A line as text; bytes that are no UTF-8 become U+FFFD. */
export function decodeLine(entries: LogColumns, index: number): string {
  const { lines, lineBounds } = entries;
  return decoder.decode(lines.subarray(lineBounds[index]!, lineBounds[index + 1]!));
}

/** A step of a pipeline: changes the row, and says whether it stays. */
export type Stage = (row: Row) => boolean;
