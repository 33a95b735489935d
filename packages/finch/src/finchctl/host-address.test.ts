import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  formatHostAddress,
  formatServiceName,
  parseHostAddress,
  parseServiceAddress,
} from "./host-address.ts";

void describe("addresses of hosts", () => {
  const rows: readonly (readonly [text: string, user: string, host: string, port?: number])[] = [
    ["web-1", "", "web-1"],
    ["root@web-1", "root", "web-1"],
    ["root@web-1:2222", "root", "web-1", 2222],
    ["ssh://root@web-1:22/", "root", "web-1", 22],
    ["2001:db8::1", "", "2001:db8::1"],
    ["root@[2001:db8::1]:22", "root", "2001:db8::1", 22],
  ];
  for (const [text, user, host, port] of rows) {
    void test(text, () => {
      const address = parseHostAddress(text);
      assert.deepEqual(address, { user, host, port, isLocal: false });
    });
  }
  for (const text of ["localhost", "127.0.0.1", "local", "::1"]) {
    void test(`${text} is this machine`, () => assert.ok(parseHostAddress(text).isLocal));
  }
  for (const text of ["", "-oProxyCommand=x", "-l@host", "a b", "host:0", "host:70000", "u@v@w"]) {
    void test(`refused: ${JSON.stringify(text)}`, () =>
      assert.throws(() => parseHostAddress(text), /is no host: write \[user@\]host/));
  }
  void test("are told as they were given", () =>
    assert.equal(formatHostAddress(parseHostAddress("root@web-1:2222")), "root@web-1:2222"));
  void test("names of services leave the usual port out", () => {
    assert.equal(formatServiceName(parseServiceAddress("finch:443")), "finch");
    assert.equal(formatServiceName(parseServiceAddress("finch:8443")), "finch:8443");
    assert.equal(
      formatServiceName(parseServiceAddress("[2001:db8::1]:8443")),
      "[2001:db8::1]:8443",
    );
  });
});
