import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readZoneFile, zoneAbbreviation } from "./time-zone.ts";

/** A version 1 zone file by RFC 8536: types as offset and name, transitions as indexes of types. */
function zoneFile(
  types: readonly (readonly [offsetSeconds: number, name: string])[],
  transitions: readonly number[],
): Uint8Array {
  const letters = types.map(([, name]) => `${name}\0`).join("");
  const bytes = Buffer.alloc(44 + 5 * transitions.length + 6 * types.length + letters.length);
  bytes.write("TZif");
  bytes.writeUInt32BE(transitions.length, 32);
  bytes.writeUInt32BE(types.length, 36);
  bytes.writeUInt32BE(letters.length, 40);
  let at = 44 + 4 * transitions.length;
  for (const type of transitions) at = bytes.writeUInt8(type, at);
  let letter = 0;
  for (const [offsetSeconds, name] of types) {
    bytes.writeInt32BE(offsetSeconds, at);
    bytes.writeUInt8(letter, at + 5);
    at += 6;
    letter += name.length + 1;
  }
  bytes.write(letters, at);
  return bytes;
}

const BERLIN = zoneFile(
  [
    [3208, "LMT"],
    [7200, "CEST"],
    [3600, "CET"],
  ],
  [2, 1, 2, 1, 2],
);

/** The same as a version 2 file, whose first block is empty, as `zic -b slim` makes them. */
function slim(file: Uint8Array): Uint8Array {
  const transitions = Buffer.from(file).readUInt32BE(32);
  const head = Buffer.from(file.subarray(0, 44));
  head.write("2", 4);
  const first = Buffer.alloc(44);
  first.write("TZif2");
  return Buffer.concat([
    first,
    head,
    Buffer.alloc(8 * transitions),
    file.subarray(44 + 4 * transitions),
  ]);
}

const CASES: readonly [
  rule: string,
  file: Uint8Array,
  offsetSeconds: number,
  name: string | undefined,
][] = [
  ["a zone without transitions", zoneFile([[0, "UTC"]], []), 0, "UTC"],
  ["winter", BERLIN, 3600, "CET"],
  ["summer", BERLIN, 7200, "CEST"],
  ["an offset only the time before all transitions had", BERLIN, 3208, "LMT"],
  ["an offset the zone never has", BERLIN, 1, undefined],
  [
    "the later of two names of one offset",
    zoneFile(
      [
        [0, "OLD"],
        [0, "NEW"],
      ],
      [0, 1],
    ),
    0,
    "NEW",
  ],
  ["a version 2 file with an empty first block", slim(BERLIN), 7200, "CEST"],
  ["no zone file", Buffer.from("not a zone file at all, is it? not one bit of it"), 0, undefined],
];

describe("zone abbreviation", () => {
  for (const [rule, file, offsetSeconds, name] of CASES) {
    test(rule, () => assert.equal(zoneAbbreviation(file, offsetSeconds), name));
  }
  test("a file that ends early names nothing, and breaks nothing", () => {
    for (let length = 0; length < BERLIN.length; length++)
      zoneAbbreviation(BERLIN.subarray(0, length), 3600);
  });
  test("a zone that is not there has no file", () =>
    assert.equal(readZoneFile("Nowhere/At_All"), undefined));
});
