import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { containsIp, parseIpPattern } from "./ip-match.ts";

/** Pattern, text, and whether an address of the text lies in it. */
const CASES: readonly (readonly [string, string, boolean])[] = [
  ["10.0.0.1", "from 10.0.0.1 to x", true],
  ["10.0.0.1", "from 10.0.0.10", false],
  ["10.0.0.0/8", "client=10.255.0.9:8080", true],
  ["10.0.0.0/8", "11.0.0.1", false],
  ["10.0.0.7/8", "10.9.9.9", true],
  ["0.0.0.0/0", "no address", false],
  ["192.168.4.5-192.168.4.20", "x 192.168.4.5", true],
  ["192.168.4.5-192.168.4.20", "x 192.168.4.21", false],
  ["1.2.3.0/24", "bad 999.1.1.1 then 1.2.3.4", true],
  ["1.2.3.4", "1.2.3.4.5", false],
  ["1.2.3.4", "01.2.3.4", false],
  ["::1", "listen [::1]:80", true],
  ["2001:db8::/32", "v6 2001:DB8:0:0::5 up", true],
  ["2001:db8::/32", "v6 2001:db9::5", false],
  ["2001:db8::1-2001:db8::f", "2001:db8::a", true],
  ["::ffff:1.2.3.4", "x ::ffff:1.2.3.4", true],
  ["10.0.0.0/8", "at 12:34:56", false],
  ["9.1.1.1", "1:9.1.1.1", true],
];

describe("containsIp", () => {
  for (const [pattern, text, expected] of CASES) {
    test(`${pattern} in ${text}`, () =>
      assert.equal(containsIp(text, parseIpPattern(pattern)!), expected));
  }
});

test("patterns that are none", () => {
  for (const text of [
    "",
    "nope",
    "1.2.3",
    "1.2.3.4/33",
    "1.2.3.4/x",
    "1.2.3.9-1.2.3.4",
    "1.2.3.4-::1",
    "1.2.3.4 - 1.2.3.9",
    "1.2.3.0/024",
    "256.1.1.1",
    ":::",
    "1::2::3",
    "12345::",
  ]) {
    assert.equal(parseIpPattern(text), undefined, text);
  }
});
