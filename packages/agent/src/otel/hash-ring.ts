/**
 * Consistent hashing as the collector's load-balancing exporter does it, so that agents of both kinds send a trace to the same receiver: 100 places for
 * each endpoint on a ring of 36,000, by CRC-32; a key belongs to the next place. An endpoint that comes or goes moves few keys.
 */
import { crc32 } from "node:zlib";

const RING_SIZE = 36_000;
const PLACES_EACH = 100;

interface Place {
  readonly position: number;
  readonly endpoint: string;
}

export class HashRing {
  readonly #places: readonly Place[];

  constructor(endpoints: readonly string[]) {
    const places = new Map<number, Place>();
    for (const endpoint of endpoints.toSorted())
      for (let index = 0; index < PLACES_EACH; index++) {
        const position = crc32(Uint8Array.of(index), crc32(endpoint)) % RING_SIZE;
        // Who is there first stays.
        if (!places.has(position)) places.set(position, { position, endpoint });
      }
    this.#places = [...places.values()].toSorted((a, b) => a.position - b.position);
  }

  /** Undefined when there are no endpoints. */
  endpointFor(key: Uint8Array | string): string | undefined {
    const position = crc32(key) % RING_SIZE;
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#places[middle]!.position < position) low = middle + 1;
      else high = middle;
    }
    return (this.#places[low] ?? this.#places[0])?.endpoint;
  }
}
