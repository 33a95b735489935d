/** Samples as JSON text, written in WebAssembly. */
import { KernelMemory, loadKernel } from "./kernels.ts";
import { formatSamples } from "./sample-text.ts";

/** Samples written at a time. Without it the memory, which stays, grows with the longest series. */
const SAMPLES_MAX = 1024;
/** As `asm/sample-text.ts` says. */
const SAMPLE_BYTES_MAX = 64;
const SLACK_BYTES = 8;
const POWER_MIN = -292;
const POWER_MAX = 324;

interface SampleTextExports {
  writeSamples(
    timestampsMs: number,
    values: number,
    count: number,
    target: number,
    powers: number,
  ): number;
}

const POWERS_AT = 0;
const TIMES_AT = POWERS_AT + (POWER_MAX - POWER_MIN + 1) * 16;
const VALUES_AT = TIMES_AT + SAMPLES_MAX * 8;
const TEXT_AT = VALUES_AT + SAMPLES_MAX * 8;
const MEMORY_BYTES = TEXT_AT + SAMPLES_MAX * SAMPLE_BYTES_MAX + SLACK_BYTES;

/** Writes some samples at a time in memory of its own. */
export class SampleTextWriter {
  readonly #memory = new KernelMemory();
  readonly #kernel = loadKernel<SampleTextExports>("sample-text", this.#memory);
  readonly #times: Float64Array;
  readonly #values: Float64Array;

  constructor() {
    this.#memory.reserve(MEMORY_BYTES);
    const { buffer } = this.#memory.bytes;
    this.#times = new Float64Array(buffer, TIMES_AT, SAMPLES_MAX);
    this.#values = new Float64Array(buffer, VALUES_AT, SAMPLES_MAX);
    layPowers(new BigUint64Array(buffer, POWERS_AT, (POWER_MAX - POWER_MIN + 1) * 2));
  }

  /**
   * As {@link formatSamples}, part after part: bytes of ASCII, each valid until the next is asked for. Nobody else may use the writer until
   * then.
   */
  *write(timestampsMs: Float64Array, values: Float64Array): Generator<Uint8Array> {
    for (let from = 0; from < values.length; from += SAMPLES_MAX) {
      const times = timestampsMs.subarray(from, from + SAMPLES_MAX);
      const part = values.subarray(from, from + SAMPLES_MAX);
      if (from > 0) yield COMMA;
      yield this.#writePart(times, part);
    }
  }

  #writePart(times: Float64Array, values: Float64Array): Uint8Array {
    this.#times.set(times);
    this.#values.set(values);
    const length = this.#kernel.writeSamples(
      TIMES_AT,
      VALUES_AT,
      values.length,
      TEXT_AT,
      POWERS_AT,
    );
    // A step may be a part of a millisecond, and begin before 1970.
    if (length < 0) return new TextEncoder().encode(formatSamples(times, values));
    return this.#memory.bytes.subarray(TEXT_AT, TEXT_AT + length);
  }
}

const COMMA = Uint8Array.of(0x2c);

/** The first 128 bits of each power of ten, rounded up; the low half first. */
function layPowers(target: BigUint64Array): void {
  for (let exponent = POWER_MIN; exponent <= POWER_MAX; exponent++) {
    const power = 10n ** BigInt(Math.abs(exponent));
    const bits = BigInt(power.toString(2).length);
    const rounded =
      exponent >= 0
        ? ceilShift(power, bits - 128n)
        : // Below one: 2^(127 + bits) over the power has 128 bits, as no power of ten is one of two.
          ((1n << (127n + bits)) + power - 1n) / power;
    const at = (exponent - POWER_MIN) * 2;
    target[at] = rounded & 0xffff_ffff_ffff_ffffn;
    target[at + 1] = rounded >> 64n;
  }
}

function ceilShift(value: bigint, shift: bigint): bigint {
  if (shift <= 0n) return value << -shift;
  return (value + (1n << shift) - 1n) >> shift;
}
