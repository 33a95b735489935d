/**
 * Lines of bytes that are no text, and of more bytes than is sensible: the store keeps bytes, JSON can only answer text, so what is no UTF-8 comes back as
 * U+FFFD; NUL and other control characters come back as they were sent.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels } from "@finch/model";
import { encodeLokiPush } from "@finch/wire";
import { DEFAULT_LOGS_LIMITS } from "../src/index.ts";
import { JSON_TYPE, ns, openApi, push, pushBody, rangeData } from "./logs-api.ts";

const PROTOBUF_TYPE = { "content-type": "application/x-protobuf" };
const MEGABYTE = 1 << 20;

const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

function protobufOf(lines: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const lineBounds = new Uint32Array(lines.length + 1);
  for (const [row, line] of lines.entries()) lineBounds[row + 1] = lineBounds[row]! + line.length;
  const entries = {
    count: lines.length,
    timestampsNs: BigInt64Array.from(lines, (_, row) => BigInt(ns(1 + row))),
    lines: new Uint8Array(Buffer.concat(lines)),
    lineBounds,
    metadataSets: [Labels.EMPTY],
    metadataOf: new Uint32Array(lines.length),
  };
  return Uint8Array.from(encodeLokiPush([{ labels: Labels.fromObject({ job: "a" }), entries }]));
}

describe("lines that are no text", () => {
  const rows: readonly [sent: string, answered: string][] = [
    ["a\0b", "a\0b"],
    ["\0", "\0"],
    ["\xff\xfe", "\ufffd\ufffd"],
    ["a\x80b", "a\ufffdb"],
    ["cut \xe2\x82", "cut \ufffd"],
    ["\xc3\xa9", "\u00e9"],
    ["\x1b[31mred\x1b[0m\r\n\tat", "\x1b[31mred\x1b[0m\r\n\tat"],
  ];

  for (const kind of ["memory", "disk"] as const) {
    test(`${kind}: pushed as protobuf`, async () => {
      await using api = await openApi(kind);
      const body = protobufOf(rows.map(([sent]) => latin1(sent)));
      const pushed = await api.post("/loki/api/v1/push", body, PROTOBUF_TYPE);
      assert.deepEqual([pushed.status, pushed.text], [204, ""]);
      const lines = async (query: string) => {
        const { result } = await rangeData(api, { query });
        return (result as { values: [string, string][] }[])
          .flatMap(({ values }) => values)
          .toSorted(([a], [b]) => Number(BigInt(b) - BigInt(a)))
          .map(([, line]) => line);
      };
      assert.deepEqual(
        await lines('{job="a"}'),
        rows.map(([, answered]) => answered),
      );
      assert.deepEqual(await lines('{job="a"} |= "b"'), ["a\0b", "a\ufffdb"]);
      assert.deepEqual(await lines('{job="a"} |~ "^a.b$"'), ["a\0b", "a\ufffdb"]);
    });
  }

  test("pushed as JSON", async () => {
    await using api = await openApi("disk");
    const [before, after] = pushBody([{ job: "a" }, [[ns(1), "a@b \u0000 c"]]]).split("@");
    const body = new Uint8Array(
      Buffer.concat([Buffer.from(before!), latin1("\xff"), Buffer.from(after!)]),
    );
    const pushed = await api.post("/loki/api/v1/push", body, JSON_TYPE);
    assert.deepEqual([pushed.status, pushed.text], [204, ""]);
    const { result } = await rangeData(api, { query: '{job="a"}' });
    const [stream] = result as { values: [string, string][] }[];
    assert.deepEqual(stream!.values, [[ns(1), "a\ufffdb \0 c"]]);
  });
});

test("a line of 10 MB is refused by its limit, and the rest is stored", async () => {
  await using api = await openApi("disk");
  const long = "x".repeat(10 * MEGABYTE);
  const answer = await push(api, [
    { job: "a" },
    [
      [ns(2), "before"],
      [ns(1), long],
      [ns(0), "after"],
    ],
  ]);
  assert.equal(answer.status, 400);
  assert.match(
    answer.text,
    new RegExp(`max entry size '${DEFAULT_LOGS_LIMITS.lineBytesMax}' bytes exceeded`, "i"),
  );
  assert.ok(answer.text.length < 1000, "the line is not told back");
  const { result } = await rangeData(api, { query: '{job="a"}' });
  const [stream] = result as { values: [string, string][] }[];
  assert.deepEqual(
    stream!.values.map(([, line]) => line),
    ["after", "before"],
  );
});

test("a push of more bytes than allowed is a 413", async () => {
  await using api = await openApi("disk", { pushBytesMax: MEGABYTE });
  const answer = await push(api, [{ job: "a" }, [[ns(1), "x".repeat(2 * MEGABYTE)]]]);
  assert.equal(answer.status, 413, answer.text);
  assert.match(answer.text, /1048576|1 MiB/);
});
