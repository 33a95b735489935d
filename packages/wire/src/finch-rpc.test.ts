import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { ProtobufWriter } from "@finch/codec";
import { FinchError } from "@finch/runtime";
import {
  AGENT_ID,
  EMPTY_MESSAGE,
  FINCH_RPC_ELEMENTS_MAX,
  FINCH_RPC_PATHS,
  GET_AGENT_CONFIG_RESPONSE,
  GET_AGENT_RESPONSE,
  GET_DASHBOARD_TOKEN_REQUEST,
  GET_DASHBOARD_TOKEN_RESPONSE,
  GET_SERVICE_INFO_RESPONSE,
  LIST_AGENTS_RESPONSE,
  REGISTER_AGENT_REQUEST,
  UPDATE_AGENT_REQUEST,
  type MessageCodec,
} from "./finch-rpc.ts";

const COLLECTION = {
  labels: ["env=prod", "é"],
  logSources: ["journal://", "file:///var/log/*.log"],
  metrics: true,
  metricsTargets: ["http://127.0.0.1:9100/metrics"],
  profiles: true,
};

/** A message with every field set, and the bytes that protobuf's own encoder makes of it. */
interface Row<Message> {
  readonly name: string;
  readonly codec: MessageCodec<Message>;
  readonly message: Message;
  readonly hex: string;
}

function row<Message>(one: Row<Message>): Row<unknown> {
  return one as unknown as Row<unknown>;
}

const str = (field: number, value: string) =>
  Buffer.concat([
    Buffer.of((field << 3) | 2, Buffer.byteLength(value)),
    Buffer.from(value),
  ]).toString("hex");
/** The fields of {@link COLLECTION}, written byte by byte, from the number of `labels` on. */
const collection = (first: number) =>
  [
    str(first, "env=prod"),
    str(first, "é"),
    str(first + 1, "journal://"),
    str(first + 1, "file:///var/log/*.log"),
    Buffer.of((first + 2) << 3, 1).toString("hex"),
    str(first + 3, "http://127.0.0.1:9100/metrics"),
    Buffer.of((first + 4) << 3, 1).toString("hex"),
  ].join("");

const ROWS: readonly Row<unknown>[] = [
  row({
    name: "RegisterAgentRequest",
    codec: REGISTER_AGENT_REQUEST,
    message: { hostname: "web-1", ...COLLECTION, node: "windows" },
    hex: str(1, "web-1") + collection(2) + str(7, "windows"),
  }),
  row({ name: "rid", codec: AGENT_ID, message: { rid: "rid:x" }, hex: "0a057269643a78" }),
  row({
    name: "UpdateAgentRequest",
    codec: UPDATE_AGENT_REQUEST,
    message: { rid: "rid:x", ...COLLECTION },
    hex: str(1, "rid:x") + collection(2),
  }),
  row({
    name: "GetAgentResponse",
    codec: GET_AGENT_RESPONSE,
    message: { resourceId: "rid:x", hostname: "h", ...COLLECTION, createdAt: "t", node: "unix" },
    hex: str(1, "rid:x") + str(2, "h") + collection(3) + str(8, "t") + str(9, "unix"),
  }),
  row({
    name: "ListAgentsResponse",
    codec: LIST_AGENTS_RESPONSE,
    message: {
      agents: [
        { rid: "a", hostname: "b" },
        { rid: "", hostname: "" },
      ],
    },
    hex: "0a060a0161120162" + "0a00",
  }),
  row({
    name: "GetAgentConfigResponse",
    codec: GET_AGENT_CONFIG_RESPONSE,
    message: { config: Buffer.of(1, 0xff) },
    hex: "0a0201ff",
  }),
  row({
    name: "GetServiceInfoResponse",
    codec: GET_SERVICE_INFO_RESPONSE,
    message: { id: "i", hostname: "h", createdAt: "t", release: "r", commit: "c" },
    hex: str(1, "i") + str(2, "h") + str(3, "t") + str(4, "r") + str(5, "c"),
  }),
  row({
    name: "GetDashboardTokenRequest",
    codec: GET_DASHBOARD_TOKEN_REQUEST,
    message: { sessionTimeout: 300, role: "admin", scope: ["rid:x"] },
    hex: "08ac02" + str(2, "admin") + str(3, "rid:x"),
  }),
  row({
    name: "a timeout of zero is there",
    codec: GET_DASHBOARD_TOKEN_REQUEST,
    message: { sessionTimeout: 0, role: "", scope: [] },
    hex: "0800",
  }),
  row({
    name: "a timeout below zero",
    codec: GET_DASHBOARD_TOKEN_REQUEST,
    message: { sessionTimeout: -1, role: "", scope: [] },
    hex: "08ffffffffffffffffff01",
  }),
  row({
    name: "no timeout",
    codec: GET_DASHBOARD_TOKEN_REQUEST,
    message: { sessionTimeout: undefined, role: "", scope: [] },
    hex: "",
  }),
  row({
    name: "GetDashboardTokenResponse",
    codec: GET_DASHBOARD_TOKEN_RESPONSE,
    message: { token: "t", expiresAt: "e", dashboardUrl: "https://h/login" },
    hex: str(1, "t") + str(2, "e") + str(3, "https://h/login"),
  }),
  row({ name: "empty", codec: EMPTY_MESSAGE, message: {}, hex: "" }),
];

void describe("messages of the control plane", () => {
  for (const { name, codec, message, hex } of ROWS) {
    void test(`${name}: encoded and decoded`, () => {
      assert.equal(Buffer.from(codec.encode(message)).toString("hex"), hex);
      assert.deepEqual(codec.decode(Buffer.from(hex, "hex")), message);
    });
    void test(`${name}: cut off anywhere it is refused or shorter`, () => {
      const whole = Buffer.from(hex, "hex");
      for (let length = 0; length < whole.length; length++) {
        try {
          const again = codec.encode(codec.decode(whole.subarray(0, length)));
          assert.equal(Buffer.from(again).toString("hex"), hex.slice(0, length * 2));
        } catch (error) {
          assert.ok(error instanceof FinchError && error.code === "wire/bad-body", String(error));
        }
      }
    });
  }

  void test("fields of newer versions are skipped, the last of a single field counts", () => {
    const writer = new ProtobufWriter();
    writer.writeString(1, "first");
    writer.writeInt64(90, 5);
    writer.writeString(91, "new");
    writer.writeFixed32(92, 1);
    writer.writeString(1, "last");
    assert.deepEqual(AGENT_ID.decode(writer.finish()), { rid: "last" });
  });

  void test("each decoded message has lists of its own", () => {
    const one = REGISTER_AGENT_REQUEST.decode(Buffer.from(str(2, "a"), "hex"));
    const other = REGISTER_AGENT_REQUEST.decode(Buffer.from(str(2, "b"), "hex"));
    assert.deepEqual([one.labels, other.labels], [["a"], ["b"]]);
    assert.deepEqual(REGISTER_AGENT_REQUEST.decode(new Uint8Array(0)).labels, []);
  });

  const refused: readonly { rule: string; bytes: Uint8Array; code: string; message: RegExp }[] = [
    {
      rule: "text that is no UTF-8",
      bytes: Uint8Array.of(0x12, 1, 0xff),
      code: "wire/bad-body",
      message: /RegisterAgentRequest\.labels\[0\] is not UTF-8/,
    },
    {
      rule: "a number where text belongs",
      bytes: Uint8Array.of(0x08, 1),
      code: "wire/bad-body",
      message: /field 1 has wire type 0 instead of 2/,
    },
    {
      rule: "too many elements",
      bytes: new Uint8Array((FINCH_RPC_ELEMENTS_MAX + 1) * 2).map((_, at) => (at % 2 ? 0 : 0x12)),
      code: "wire/too-large",
      message: /RegisterAgentRequest\.labels has more than 100000 elements/,
    },
  ];
  for (const { rule, bytes, code, message } of refused) {
    void test(`refused: ${rule}`, () =>
      assert.throws(
        () => REGISTER_AGENT_REQUEST.decode(bytes),
        (error) =>
          error instanceof FinchError && error.code === code && message.test(error.message),
      ));
  }

  void test("the service definition has the methods that are spoken", () => {
    const text = readFileSync(new URL("../proto/finch.proto", import.meta.url), "utf8");
    const found: string[] = [];
    let service = "";
    for (const [, opened, method] of text.matchAll(/^service (\w+)|^ {2}rpc (\w+)/gm)) {
      if (opened !== undefined) service = opened;
      else found.push(`/finch.${service}/${method}`);
    }
    assert.deepEqual(found.toSorted(), Object.values(FINCH_RPC_PATHS).toSorted());
  });
});
