import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { ProtobufWriter } from "@finch/codec";
import { decodeCall, encodeConfigAnswer, encodeEmptyAnswer } from "./collector-messages.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const proto = { method: "GetConfig", form: "proto" } as const;
const json = { method: "GetConfig", form: "json" } as const;

function pair(writer: ProtobufWriter, field: number, key: string, value: string): void {
  const mark = writer.begin(field);
  writer.writeString(1, key);
  writer.writeString(2, value);
  writer.end(mark);
}

/** Every field there is, an unknown one, and the deprecated attributes. */
function fullCall(): Uint8Array {
  const writer = new ProtobufWriter();
  writer.writeString(1, "box");
  pair(writer, 2, "old", "1");
  writer.writeString(3, "abc");
  pair(writer, 4, "env", "prod");
  pair(writer, 4, "__proto__", "x");
  const report = writer.begin(5);
  writer.writeInt64(1, 3);
  writer.writeString(2, "no such component");
  writer.end(report);
  const effective = writer.begin(6);
  const map = writer.begin(1);
  const entry = writer.begin(1);
  writer.writeString(1, "");
  const file = writer.begin(2);
  writer.writeString(1, "the text");
  writer.writeString(2, "text/plain");
  writer.end(file);
  writer.end(entry);
  writer.end(map);
  writer.end(effective);
  writer.writeString(99, "later");
  return writer.finish();
}

describe("calls of collectors", () => {
  test("every field of a protobuf message", () => {
    const call = decodeCall(fullCall(), proto);
    assert.deepEqual(
      { ...call, attributes: Object.entries(call.attributes) },
      {
        id: "box",
        name: "",
        hash: "abc",
        attributes: [
          ["env", "prod"],
          ["__proto__", "x"],
        ],
        report: { status: "failed", error: "no such component" },
        effectiveHash: createHash("sha256").update("the text").digest("hex"),
      },
    );
  });

  test("field 3 is the name where a collector registers, and field 2 holds attributes of old ones", () => {
    const writer = new ProtobufWriter();
    writer.writeString(1, "box");
    pair(writer, 2, "old", "1");
    writer.writeString(3, "My box");
    const call = decodeCall(writer.finish(), { method: "RegisterCollector", form: "proto" });
    assert.equal(call.name, "My box");
    assert.equal(call.hash, "");
    assert.deepEqual(call.attributes, { old: "1" });
    assert.equal(call.report, undefined);
  });

  test("the same in JSON, in both spellings", () => {
    const attributes = { env: "prod" };
    for (const text of [
      {
        id: "box",
        hash: "abc",
        localAttributes: attributes,
        remoteConfigStatus: { status: "RemoteConfigStatuses_APPLIED" },
        unknown: 1,
      },
      {
        id: "box",
        hash: "abc",
        local_attributes: attributes,
        remote_config_status: { status: 1, error_message: "" },
      },
    ]) {
      const call = decodeCall(utf8(JSON.stringify(text)), json);
      assert.deepEqual([call.id, call.hash, call.attributes], ["box", "abc", attributes]);
      assert.deepEqual(call.report, { status: "applied", error: "" });
    }
  });

  test("bytes that are no such message are a fault of the sender, at every length", () => {
    const whole = fullCall();
    for (let length = 1; length < whole.length; length++) {
      try {
        decodeCall(whole.subarray(0, length), proto);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "control/bad-collector-call");
      }
    }
    for (const bad of ["", "[]", "{", '{"id":1}', '{"localAttributes":{"a":1}}', '{"hash":[]}'])
      assert.throws(() => decodeCall(utf8(bad), json), { code: "control/bad-collector-call" }, bad);
  });
});

describe("answers", () => {
  const answer = { content: "x", hash: "h", isUnmodified: false };
  test("as protobuf", () => {
    assert.deepEqual([...encodeConfigAnswer(answer, "proto")], [0x0a, 1, 0x78, 0x12, 1, 0x68]);
    const same = { content: "", hash: "h", isUnmodified: true };
    assert.deepEqual([...encodeConfigAnswer(same, "proto")], [0x12, 1, 0x68, 0x18, 1]);
    assert.equal(encodeEmptyAnswer("proto").length, 0);
  });
  test("as JSON", () => {
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert.equal(text(encodeConfigAnswer(answer, "json")), '{"content":"x","hash":"h"}');
    const same = { content: "", hash: "h", isUnmodified: true };
    assert.equal(text(encodeConfigAnswer(same, "json")), '{"hash":"h","notModified":true}');
    assert.equal(text(encodeEmptyAnswer("json")), "{}");
  });
});
