/**
 * Reads a protobuf message shaped as `repeated Series = 1 { repeated Label = 1 { name = 1, value = 2 }, repeated Sample = 2 { double = 1,
 * int64 = 2 } }` (a remote write request) straight into columns, with a hash of each series' label bytes. A series that is not written in
 * the one way all senders do (labels first, in order, ASCII; nothing but labels and samples) is only noted, for the caller to read in
 * TypeScript. Twin: wire's `remote-write-decoder.ts`.
 */
import { hashKey } from "./key-hash";
import { beginSnappy, decodedTo, decodeUntil, isDecoded } from "./snappy";

const TAG_SERIES: u8 = 0x0a;
const TAG_LABEL: u8 = 0x0a;
const TAG_SAMPLE: u8 = 0x12;
const TAG_NAME: u8 = 0x0a;
const TAG_LABEL_VALUE: u8 = 0x12;
const TAG_SAMPLE_VALUE: u8 = 0x09;
const TAG_SAMPLE_TIME: u8 = 0x10;
/** `__name__` as a number. */
const METRIC_NAME: u64 = 0x5f5f656d616e5f5f;
const SAFE_INTEGER_MAX: i64 = 9007199254740991;
/** Bytes decompressed at once: little enough to be still near the processor when they are read. */
const STEP_BYTES: usize = 8192;
/** A sample whose time takes six bytes: tag, size and the value's tag; without a value, the time's. */
const SAMPLE_BYTES: usize = 18;
const SAMPLE_HEAD: u32 = 0x091012;
const ZERO_SAMPLE_BYTES: usize = 9;
const ZERO_SAMPLE_HEAD: u32 = 0x100712;
/** Six bytes of a varint: which of them say that more follow, and what the sixth says. */
const MORE_BITS: u64 = 0x808080808080;
const MORE_BITS_OF_SIX: u64 = 0x008080808080;
/** Tag and size of a field at most. */
const FIELD_HEADER_BYTES: usize = 5;

/** Set by {@link scanLabels}: lengths that take two bytes, whose first is above 127. Any other such byte is no ASCII. */
let longLengths: i32 = 0;

/** Where the columns are, and how much fits; written by the caller. */
@unmanaged
class Request {
  text: usize;
  words: usize;
  scratch: usize;
  timestampsMs: usize;
  values: usize;
  samplesMax: u32;
  sampleStarts: usize;
  keyBounds: usize;
  keyHashes: usize;
  /** Number of each series in the message. */
  ordinals: usize;
  seriesMax: u32;
  /** For each field left to the caller: its number among all series fields, start and end of its content, its tag. */
  odd: usize;
  oddMax: u32;
  /** Hashes of keys whose labels were found good, in the order they came. */
  checked: usize;
  checkedMax: u32;
  checkedCount: u32;
  /** Where they stand: number + 1 by the low bits of the hash, or 0; open addressing. */
  slots: usize;
  slotMask: u32;
  /** The one after the last that was found: senders repeat their order. */
  expected: u32;
  labelsMax: u32;
  nameBytesMax: u32;
  valueBytesMax: u32;
  seriesCount: u32;
  sampleCount: u32;
  oddCount: u32;
  /** Series fields in the message. */
  seriesSeen: u32;
}

export function hash(
  source: usize,
  length: usize,
  target: usize,
  words: usize,
  scratch: usize,
): void {
  hashKey(source, length, target, words, scratch);
}

/**
 * Decompresses the `length` bytes at `source` to `request.text`, at most `sizeMax`, and reads them. False when they are malformed or do not fit;
 * the twin then says which.
 */
export function read(request: Request, source: usize, length: usize, sizeMax: usize): bool {
  const text = request.text;
  const size = beginSnappy(source, length, text, sizeMax);
  if (size < 0) return false;
  const end = text + <usize>size;
  request.seriesCount = 0;
  request.sampleCount = 0;
  request.oddCount = 0;
  request.seriesSeen = 0;
  store<u32>(request.sampleStarts, 0);
  let at = text;
  while (at < end) {
    if (!reach(at + FIELD_HEADER_BYTES, end)) return false;
    const tag = load<u8>(at++);
    if ((tag & 7) != 2 || tag < 8 || tag >= 128) return false;
    let size: usize = 0;
    for (let shift: usize = 0; ; shift += 7) {
      if (at >= end || shift > 21) return false;
      const byte = <usize>load<u8>(at++);
      size |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if (size > end - at || !reach(at + size, end)) return false;
    if (!readField(request, tag, at, at + size)) return false;
    at += size;
  }
  return isDecoded() || (decodeUntil(end) && isDecoded());
}

/** Sees to it that the text is there up to `stop`, or to its end. */
function reach(stop: usize, end: usize): bool {
  const wanted = min(stop, end);
  if (wanted <= decodedTo) return true;
  return decodeUntil(min(max(wanted, decodedTo + STEP_BYTES), end)) && wanted <= decodedTo;
}

function readField(request: Request, tag: u8, start: usize, end: usize): bool {
  const isSeries = tag == TAG_SERIES;
  const samples = request.sampleCount;
  if (!isSeries || !readSeries(request, start, end)) {
    request.sampleCount = samples;
    if (request.oddCount >= request.oddMax) return false;
    const odd = request.odd + ((<usize>request.oddCount) << 4);
    request.oddCount += 1;
    store<u32>(odd, request.seriesSeen);
    store<u32>(odd, <u32>(start - request.text), 4);
    store<u32>(odd, <u32>(end - request.text), 8);
    store<u32>(odd, <u32>tag, 12);
  }
  if (isSeries) request.seriesSeen += 1;
  return true;
}

/** False when the series is for the caller: then no column but those of samples was changed. */
function readSeries(request: Request, start: usize, end: usize): bool {
  const series = request.seriesCount;
  if (series >= request.seriesMax) return false;
  const hash = request.keyHashes + ((<usize>series) << 4);
  const words = request.words;
  const scratch = request.scratch;
  let keyEnd = guessKeyEnd(start, end);
  if (keyEnd != 0) hashKey(start, keyEnd - start, hash, words, scratch);
  // Bytes that were found good are labels to their end, so that what stands behind them is none.
  if (keyEnd == 0 || !isChecked(request, hash)) {
    const guess = keyEnd;
    keyEnd = skipLabels(start, end);
    if (keyEnd == 0 || keyEnd == start) return false;
    if (keyEnd != guess) hashKey(start, keyEnd - start, hash, words, scratch);
    if (!isChecked(request, hash)) {
      if (scanLabels(request, start, keyEnd) != keyEnd) return false;
      if (countHighBytes(start, keyEnd) != longLengths) return false;
      noteChecked(request, hash);
    }
  }
  const first = request.sampleCount;
  let at = keyEnd;
  while (at < end) {
    at = readSample(request, at, end);
    if (at == 0) return false;
  }
  if (request.sampleCount == first) return true;
  store<u32>(request.keyBounds + ((<usize>series) << 3), <u32>(start - request.text));
  store<u32>(request.keyBounds + ((<usize>series) << 3), <u32>(keyEnd - request.text), 4);
  store<u32>(request.ordinals + ((<usize>series) << 2), request.seriesSeen);
  store<u32>(request.sampleStarts + ((<usize>series) << 2), request.sampleCount, 4);
  request.seriesCount = series + 1;
  return true;
}

/**
 * Where the labels of a series with one sample of these days end, if it is one: a sample is its last 18 bytes then, or 9 when its value is zero.
 * Else 0.
 */
function guessKeyEnd(start: usize, end: usize): usize {
  if (end - start <= SAMPLE_BYTES) return 0;
  const sample = end - SAMPLE_BYTES;
  if ((load<u32>(sample) & 0xffffff) == SAMPLE_HEAD && load<u8>(sample, 11) == TAG_SAMPLE_TIME)
    return sample;
  if ((load<u32>(end - ZERO_SAMPLE_BYTES) & 0xffffff) == ZERO_SAMPLE_HEAD)
    return end - ZERO_SAMPLE_BYTES;
  return 0;
}

/** How many of the bytes are above 127. */
function countHighBytes(start: usize, end: usize): i32 {
  let count = 0;
  let at = start;
  for (; at + 16 <= end; at += 16) count += popcnt(i8x16.bitmask(v128.load(at)));
  for (; at < end; at++) count += <i32>(load<u8>(at) >> 7);
  return count;
}

/** Whether the labels that have this hash were looked at before: what was good then is good. */
function isChecked(request: Request, hash: usize): bool {
  const wanted = v128.load(hash);
  const expected = request.expected;
  if (expected < request.checkedCount && isAt(request, expected, wanted)) {
    request.expected = expected + 1;
    return true;
  }
  let slot = load<u32>(hash) & request.slotMask;
  let number = load<u32>(request.slots + ((<usize>slot) << 2));
  while (number != 0) {
    if (isAt(request, number - 1, wanted)) {
      request.expected = number;
      return true;
    }
    slot = (slot + 1) & request.slotMask;
    number = load<u32>(request.slots + ((<usize>slot) << 2));
  }
  return false;
}

function isAt(request: Request, number: u32, wanted: v128): bool {
  const known = v128.load(request.checked + ((<usize>number) << 4));
  return !v128.any_true(v128.xor(known, wanted));
}

/** When there is no more room, all are forgotten: the next requests fill it again. */
function noteChecked(request: Request, hash: usize): void {
  if (request.checkedCount == request.checkedMax) {
    request.checkedCount = 0;
    memory.fill(request.slots, 0, (<usize>request.slotMask + 1) << 2);
  }
  const number = request.checkedCount;
  v128.store(request.checked + ((<usize>number) << 4), v128.load(hash));
  let slot = load<u32>(hash) & request.slotMask;
  while (load<u32>(request.slots + ((<usize>slot) << 2)) != 0) slot = (slot + 1) & request.slotMask;
  store<u32>(request.slots + ((<usize>slot) << 2), number + 1);
  request.checkedCount = number + 1;
  request.expected = number + 1;
}

/** Where the label fields that begin at `start` end, whatever is in them; 0 when one reaches beyond `end` or 16 KiB. */
function skipLabels(start: usize, end: usize): usize {
  let at = start;
  while (at < end && load<u8>(at) == TAG_LABEL) {
    let size = <usize>load<u8>(at, 1);
    at += 2;
    if (size >= 128) {
      const high = <usize>load<u8>(at++);
      if (high >= 128) return 0;
      size = (size & 127) | (high << 7);
    }
    at += size;
  }
  return at <= end ? at : 0;
}

/** Returns the address behind the sample field at `at`, or 0. */
function readSample(request: Request, at: usize, end: usize): usize {
  if (end - at < 2 || load<u8>(at) != TAG_SAMPLE) return 0;
  const size = <usize>load<u8>(at, 1);
  const row = request.sampleCount;
  if (size >= 128 || size > end - at - 2 || row >= request.samplesMax) return 0;
  if (size == SAMPLE_BYTES - 2 && load<u8>(at, 2) == TAG_SAMPLE_VALUE) {
    const digits = load<u64>(at, 12);
    if (load<u8>(at, 11) == TAG_SAMPLE_TIME && (digits & MORE_BITS) == MORE_BITS_OF_SIX) {
      store<f64>(request.timestampsMs + ((<usize>row) << 3), <f64>(<i64>joinSix(digits)));
      store<u64>(request.values + ((<usize>row) << 3), load<u64>(at, 3));
      request.sampleCount = row + 1;
      return at + SAMPLE_BYTES;
    }
  }
  let from = at + 2;
  const last = from + size;
  let value: u64 = 0;
  let time: i64 = 0;
  while (from < last) {
    const tag = load<u8>(from++);
    if (tag == TAG_SAMPLE_VALUE) {
      if (last - from < 8) return 0;
      value = load<u64>(from);
      from += 8;
    } else if (tag == TAG_SAMPLE_TIME) {
      time = 0;
      for (let shift: i64 = 0; ; shift += 7) {
        if (from >= last || shift > 56) return 0;
        const byte = <i64>load<u8>(from++);
        time |= (byte & 127) << shift;
        if (byte < 128) break;
      }
    } else return 0;
  }
  if (time > SAFE_INTEGER_MAX) return 0;
  store<f64>(request.timestampsMs + ((<usize>row) << 3), <f64>time);
  store<u64>(request.values + ((<usize>row) << 3), value);
  request.sampleCount = row + 1;
  return last;
}

/** The number in the low seven bits of six bytes. */
function joinSix(digits: u64): u64 {
  const pairs = (digits & 0x7f007f007f) | ((digits & 0x7f007f007f00) >> 1);
  return (pairs & 0x3fff) | ((pairs >> 2) & 0xfffc000) | ((pairs >> 4) & 0x3fff0000000);
}

/**
 * Where the labels that begin at `start` end: name before value, names ascending and not empty, all within the limits, with a metric name.
 * Anything else is 0. Lengths take one or two bytes.
 */
function scanLabels(request: Request, start: usize, end: usize): usize {
  const nameBytesMax = <usize>request.nameBytesMax;
  const valueBytesMax = <usize>request.valueBytesMax;
  let left = request.labelsMax;
  let named = false;
  let previous: usize = 0;
  let previousLength: usize = 0;
  let at = start;
  longLengths = 0;
  while (at < end && load<u8>(at) == TAG_LABEL) {
    // Tag, length (2 at most), tag, length (2 at most): loads stay in the slack behind the text.
    let size = <usize>load<u8>(at, 1);
    at += 2;
    if (size >= 128) {
      const high = <usize>load<u8>(at++);
      if (high >= 128) return 0;
      size = (size & 127) | (high << 7);
      longLengths++;
    }
    const labelEnd = at + size;
    if (labelEnd > end || load<u8>(at) != TAG_NAME) return 0;
    let nameLength = <usize>load<u8>(at, 1);
    let name = at + 2;
    if (nameLength >= 128) {
      const high = <usize>load<u8>(name++);
      if (high >= 128) return 0;
      nameLength = (nameLength & 127) | (high << 7);
      longLengths++;
    }
    const nameEnd = name + nameLength;
    if (nameLength == 0 || nameEnd + 2 > labelEnd || load<u8>(nameEnd) != TAG_LABEL_VALUE) return 0;
    let valueLength = <usize>load<u8>(nameEnd, 1);
    let value = nameEnd + 2;
    if (valueLength >= 128) {
      const high = <usize>load<u8>(value++);
      if (high >= 128) return 0;
      valueLength = (valueLength & 127) | (high << 7);
      longLengths++;
    }
    if (value + valueLength != labelEnd) return 0;
    if (nameLength > nameBytesMax || valueLength > valueBytesMax || left-- == 0) return 0;
    if (previous != 0 && !isBefore(previous, previousLength, name, nameLength)) return 0;
    if (nameLength == 8 && valueLength > 0 && load<u64>(name) == METRIC_NAME) named = true;
    previous = name;
    previousLength = nameLength;
    at = labelEnd;
  }
  return named ? at : 0;
}

/** Whether the bytes at `a` come before those at `b` and are not the same. */
function isBefore(a: usize, aLength: usize, b: usize, bLength: usize): bool {
  const shared = min(aLength, bLength);
  for (let at: usize = 0; at < shared; at++) {
    const x = load<u8>(a + at);
    const y = load<u8>(b + at);
    if (x != y) return x < y;
  }
  return aLength < bLength;
}
