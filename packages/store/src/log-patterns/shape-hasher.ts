/**
 * The shapes of lines: lines that differ only in words with digits have one. Found from the bytes, without decoding them; the hashes of words are told, so that words with digits
 * that are always the same can be told from values, and shapes that are alike found.
 */
import { TOKENS_MAX } from "./pattern-tokens.ts";

const MARKS = "=\"'`,;[](){}<>|&";
const BLANK = 1;
const MARK = 2;
/** By byte: 0 for what words are made of. Bytes of characters beyond ASCII belong to words. */
const CLASS = new Uint8Array(256);
for (let byte = 0; byte <= 32; byte++) CLASS[byte] = BLANK;
for (const mark of MARKS) CLASS[mark.charCodeAt(0)] = MARK;

const WORD_SEED = 0x811c9dc5 | 0;
const PRIME = 0x01000193;
const SECOND_PRIME = 0x85ebca6b | 0;
/** Inside of words as any other character, at their front a mark: `"key":5`, but `12:30`. */
const COLON = 58;
/** In the place of a word with a digit. */
const VALUE = 0x5bd1e995 | 0;

/** A number for a word, odd when it has a digit. */
export function hashWord(bytes: Uint8Array, from: number, to: number): number {
  let hash = WORD_SEED;
  let digits = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    hash = Math.imul(hash ^ byte, PRIME);
    if (byte >= 48 && byte <= 57) digits = 1;
  }
  return (hash & ~1) | digits;
}

export class ShapeHasher {
  /** The shape that was found last, as 64 bits. */
  low = 0;
  high = 0;
  /** Hashes of words: of a text those with digits, of words all. */
  readonly words = new Int32Array(TOKENS_MAX);
  wordCount = 0;
  /** Which of them have digits. */
  readonly values = new Uint8Array(TOKENS_MAX);
  valueCount = 0;

  /** Begins a shape of another kind than those with another `seed`. */
  begin(seed: number): void {
    this.low = Math.imul(WORD_SEED ^ seed, PRIME);
    this.high = Math.imul(WORD_SEED + seed, SECOND_PRIME);
    this.wordCount = 0;
    this.valueCount = 0;
  }

  /** Adds the tokens of text. */
  addText(bytes: Uint8Array, from: number, to: number): void {
    const { words, values } = this;
    let { low, high, wordCount } = this;
    let tokens = 0;
    let i = from;
    while (i < to && tokens < TOKENS_MAX) {
      const first = bytes[i++]!;
      const kind = first === COLON ? MARK : CLASS[first]!;
      let token = Math.imul(WORD_SEED ^ first, PRIME);
      if (kind !== MARK) {
        let hasDigit = first >= 48 && first <= 57;
        while (i < to && CLASS[bytes[i]!] === kind) {
          const byte = bytes[i++]!;
          token = Math.imul(token ^ byte, PRIME);
          hasDigit ||= byte >= 48 && byte <= 57;
        }
        if (hasDigit) {
          values[wordCount] = wordCount;
          words[wordCount++] = token;
          token = VALUE;
        }
      }
      low = Math.imul(low ^ token, PRIME) + kind;
      high = Math.imul((high ^ token) + (low >>> 15), SECOND_PRIME);
      tokens++;
    }
    if (i < to) low = Math.imul(low ^ VALUE, PRIME);
    this.low = low;
    this.high = high;
    this.wordCount = wordCount;
    this.valueCount = wordCount;
  }

  /** Adds one word by what {@link hashWord} made of it. */
  addWord(hash: number): void {
    const word = this.wordCount++;
    this.words[word] = hash;
    let token = hash;
    if ((hash & 1) !== 0) {
      this.values[this.valueCount++] = word;
      token = VALUE;
    }
    const low = Math.imul(this.low ^ token, PRIME);
    this.low = low;
    this.high = Math.imul((this.high ^ token) + (low >>> 15), SECOND_PRIME);
  }
}
