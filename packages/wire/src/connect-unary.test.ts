import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FinchError } from "@finch/runtime";
import { negotiateConnect } from "./connect-unary.ts";

const negotiate = (headers: Readonly<Record<string, string>>) =>
  negotiateConnect((name) => headers[name] ?? "");

void describe("headers of a call by Connect", () => {
  void test("what they say", () => {
    assert.deepEqual(negotiate({ "content-type": "application/json; charset=utf-8" }), {
      encoding: "json",
      isGzip: false,
      timeoutMs: undefined,
    });
    assert.deepEqual(
      negotiate({
        "content-type": "application/proto",
        "content-encoding": "gzip",
        "connect-protocol-version": "1",
        "connect-timeout-ms": "1500",
      }),
      { encoding: "proto", isGzip: true, timeoutMs: 1500 },
    );
  });

  const proto = { "content-type": "application/proto" };
  const refused: readonly (readonly [object, kind: string])[] = [
    [{}, "unsupported-media"],
    [{ "content-type": "application/grpc+proto" }, "unsupported-media"],
    [{ ...proto, "content-encoding": "br" }, "unsupported"],
    [{ ...proto, "connect-protocol-version": "2" }, "invalid"],
    [{ ...proto, "connect-timeout-ms": "soon" }, "invalid"],
  ];
  for (const [headers, kind] of refused)
    void test(`${JSON.stringify(headers)} is ${kind}`, () => {
      assert.throws(
        () => negotiate(headers as Record<string, string>),
        (error) => error instanceof FinchError && error.kind === kind,
      );
    });
});
