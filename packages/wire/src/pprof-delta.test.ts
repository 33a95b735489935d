/** Differences of pprof profiles that count up, on profiles written by hand: numbers of locations and functions differ from one to the next. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ProtobufWriter } from "@finch/codec";
import { PprofDelta } from "./pprof-delta.ts";
import { readPprof } from "./pprof-reader.ts";

const MEMORY = [
  { type: "alloc_objects", unit: "count" },
  { type: "alloc_space", unit: "bytes" },
];

/** Stack (innermost first), `alloc_objects`, `alloc_space`, `inuse_space`, and the block size as Go labels it. */
type Row = readonly [stack: string, objects: number, space: number, inUse: number, size?: number];

/** As Go writes it. `shift` moves all numbers of locations, functions and strings. */
function pprof(
  rows: readonly Row[],
  options: { readonly timeNs: number; readonly shift?: number },
) {
  const { timeNs, shift = 0 } = options;
  const strings = ["", ...Array.from({ length: shift }, (_, at) => `unused ${at}`)];
  const text = (value: string) => {
    if (!strings.includes(value)) strings.push(value);
    return strings.indexOf(value);
  };
  const writer = new ProtobufWriter();
  const message = (field: number, write: () => void) => {
    const mark = writer.begin(field);
    write();
    writer.end(mark);
  };
  for (const [type, unit] of [
    ["alloc_objects", "count"],
    ["alloc_space", "bytes"],
    ["inuse_space", "bytes"],
  ] as const)
    message(1, () => {
      writer.writeInt64(1, text(type));
      writer.writeInt64(2, text(unit));
    });
  const names = [...new Set(rows.flatMap(([stack]) => stack.split(" ")))];
  const idOf = (name: string) => names.indexOf(name) + 1 + shift;
  for (const [stack, objects, space, inUse, size] of rows)
    message(2, () => {
      for (const name of stack.split(" ")) writer.writeInt64(1, idOf(name));
      for (const value of [objects, space, inUse]) writer.writeInt64(2, value);
      if (size !== undefined)
        message(3, () => {
          writer.writeInt64(1, text("bytes"));
          writer.writeInt64(3, size);
        });
    });
  for (const name of names)
    message(4, () => {
      writer.writeInt64(1, idOf(name));
      writer.writeInt64(3, 0x1000 + name.charCodeAt(0));
      message(4, () => {
        writer.writeInt64(1, idOf(name));
        writer.writeInt64(2, 12);
      });
    });
  for (const name of names)
    message(5, () => {
      writer.writeInt64(1, idOf(name));
      writer.writeInt64(2, text(name));
    });
  writer.writeInt64(9, timeNs);
  writer.writeInt64(10, 1);
  for (const value of strings) writer.writeString(6, value);
  return writer.finish();
}

/** `stack objects space inUse`, one for each sample. */
function rowsOf(bytes: Uint8Array): string[] {
  const profile = readPprof(bytes);
  return profile.samples.map(({ locationIds, values, labels }) => {
    const stack = locationIds.map((id) => nameOf(profile, id)).join(" ");
    return [stack, ...values, ...labels.map((label) => profile.labelText(label))].join(" ");
  });
}

function nameOf(
  { locations, functions, strings }: ReturnType<typeof readPprof>,
  id: number,
): string {
  const [functionId = -1] = locations.get(id)!.functionIds;
  const name = functions.get(functionId)!;
  // The second field of a function is its name: one byte for the tag of the first, one for its number, one for the tag of the second.
  return Buffer.from(strings[name[3]!]!).toString();
}

void describe("the difference of two profiles", () => {
  void test("there is none to the first; then what counts up is what was added, and the rest stays", () => {
    const delta = new PprofDelta(MEMORY);
    assert.equal(delta.next(pprof([["a main", 1, 10, 7]], { timeNs: 1e9 })), undefined);
    const rows: readonly Row[] = [
      ["b main", 2, 20, 0],
      ["a main", 4, 40, 9],
    ];
    const next = delta.next(pprof(rows, { timeNs: 3e9, shift: 3 }))!;
    assert.deepEqual(rowsOf(next), ["b main 2 20 0", "a main 3 30 9"]);
  });

  void test("a stack that got nothing is left out, with all that only it needs", () => {
    const delta = new PprofDelta(MEMORY);
    const before: readonly Row[] = [
      ["alone main", 5, 50, 0],
      ["b main", 1, 10, 0],
    ];
    delta.next(pprof(before, { timeNs: 1e9 }));
    const next = delta.next(pprof([before[0]!, ["b main", 2, 20, 0]], { timeNs: 2e9 }))!;
    assert.deepEqual(rowsOf(next), ["b main 1 10 0"]);
    const { locations, functions, strings } = readPprof(next);
    assert.deepEqual([locations.size, functions.size], [2, 2]);
    assert.deepEqual(
      strings.map((text) => Buffer.from(text).toString()).filter((text) => text !== ""),
      ["alloc_objects", "count", "alloc_space", "bytes", "inuse_space", "main", "b"],
    );
  });

  void test("labels tell samples of one stack apart; the same twice is added up", () => {
    const delta = new PprofDelta(MEMORY);
    delta.next(pprof([["a", 1, 16, 0, 16]], { timeNs: 1e9 }));
    const rows: readonly Row[] = [
      ["a", 1, 32, 0, 32],
      ["a", 2, 32, 0, 16],
      ["a", 1, 16, 0, 16],
    ];
    const next = delta.next(pprof(rows, { timeNs: 2e9 }))!;
    assert.deepEqual(rowsOf(next), ["a 1 32 0 bytes=32;", "a 2 32 0 bytes=16;"]);
  });

  void test("a program that started anew counts from nothing", () => {
    const delta = new PprofDelta(MEMORY);
    delta.next(pprof([["a", 100, 1000, 0]], { timeNs: 1e9 }));
    const next = delta.next(pprof([["a", 3, 30, 0]], { timeNs: 2e9 }))!;
    assert.deepEqual(rowsOf(next), ["a 3 30 0"]);
  });

  void test("the duration is the time between both", () => {
    const delta = new PprofDelta(MEMORY);
    delta.next(pprof([["a", 1, 1, 0]], { timeNs: 1e9 }));
    const next = delta.next(pprof([["a", 2, 2, 0]], { timeNs: 16e9 }))!;
    const writer = new ProtobufWriter();
    writer.writeInt64(10, 15e9);
    assert.equal(Buffer.from(next).subarray(-writer.length).compare(writer.finish()), 0);
    assert.equal(readPprof(next).timeNs, 16_000_000_000n);
  });

  void test("what is cut off is refused, and the last whole one counts on", () => {
    const delta = new PprofDelta(MEMORY);
    const first = pprof([["a", 1, 1, 0]], { timeNs: 1e9 });
    delta.next(first);
    const second = pprof([["a", 5, 5, 0]], { timeNs: 2e9 });
    assert.throws(
      () => delta.next(second.subarray(0, second.length - 3)),
      /the profile refers to string/,
    );
    assert.deepEqual(rowsOf(delta.next(second)!), ["a 4 4 0"]);
  });

  void test("values over 2^32 and below 0 survive", () => {
    const delta = new PprofDelta([]);
    delta.next(pprof([["a", 2 ** 40 + 3, -5, 1]], { timeNs: 1e9 }));
    const next = delta.next(pprof([["a", 2 ** 40 + 3, -5, 1]], { timeNs: 2e9 }))!;
    assert.deepEqual(rowsOf(next), [`a ${2 ** 40 + 3} -5 1`]);
  });
});
