/** Structured metadata of a page as columns: a **shape** is the names that an entry has, and each name is a column of values. */
import type { Labels, LogColumns } from "@finch/model";
import { growUint8 } from "../number-columns.ts";
import { ValueRefs } from "./value-refs.ts";

const encoder = new TextEncoder();

/** Names whose memory is used again by the next page. */
const REFS_KEPT_MAX = 32;

/** Column, start and end of each value of a set. */
interface KnownSet {
  readonly shape: number;
  readonly places: Uint32Array;
}

export class MetadataShapes {
  /** Names of each shape. */
  shapes: (readonly string[])[] = [];
  names: string[] = [];
  /** Values of each name; those behind the last name are of earlier pages, to be used again. */
  readonly refs: ValueRefs[] = [];
  #bytes = new Uint8Array(1024) as Uint8Array;
  shapeOf = new Uint16Array(1024);
  #columns = new Map<string, number>();
  #length = 0;

  /** What the refs refer to; a view. */
  valueBytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  columnOf(name: string): number {
    return this.#columns.get(name)!;
  }

  collect({ count, metadataSets, metadataOf }: LogColumns): void {
    this.shapes = [];
    this.names = [];
    this.refs.length = Math.min(this.refs.length, REFS_KEPT_MAX);
    for (const refs of this.refs) refs.clear();
    this.#columns = new Map();
    this.#length = 0;
    if (this.shapeOf.length < count) this.shapeOf = new Uint16Array(2 * count);
    const shapeNumbers = new Map<string, number>();
    /** Shape and places of values of the sets met, by their numbers. */
    const sets: (KnownSet | undefined)[] = Array.from({ length: metadataSets.length });
    for (let row = 0; row < count; row++) {
      const set = metadataOf[row]!;
      let known = sets[set];
      if (known === undefined) {
        const labels = metadataSets[set]!;
        known = { shape: this.#shape(labels, shapeNumbers), places: this.#place(labels) };
        sets[set] = known;
      }
      this.shapeOf[row] = known.shape;
      const { places } = known;
      for (let i = 0; i < places.length; i += 3)
        this.refs[places[i]!]!.add(places[i + 1]!, places[i + 2]!);
    }
  }

  #shape(labels: Labels, numbers: Map<string, number>): number {
    const names = [...labels].map(([name]) => name);
    const key = names.join("\u0000");
    let number = numbers.get(key);
    if (number === undefined) {
      number = this.shapes.length;
      this.shapes.push(names);
      numbers.set(key, number);
    }
    return number;
  }

  /** Column, start and end of each value. */
  #place(labels: Labels): Uint32Array {
    const places = new Uint32Array(3 * labels.size);
    let at = 0;
    for (const [name, value] of labels) {
      let column = this.#columns.get(name);
      if (column === undefined) {
        column = this.names.length;
        this.names.push(name);
        this.refs[column] ??= new ValueRefs();
        this.#columns.set(name, column);
      }
      const start = this.#length;
      this.#bytes = growUint8(this.#bytes, start + 3 * value.length);
      this.#length += encoder.encodeInto(value, this.#bytes.subarray(start)).written;
      places[at++] = column;
      places[at++] = start;
      places[at++] = this.#length;
    }
    return places;
  }
}
