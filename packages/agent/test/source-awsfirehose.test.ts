/** `loki.source.awsfirehose` over a real socket, with requests as AWS documents them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { sourceAwsFirehose } from "../src/components/loki/source-awsfirehose.ts";
import type { LogsReceiver } from "../src/receivers.ts";
import { compileRules } from "../src/relabel.ts";
import { collectingReceiver, startComponent, temporaryDirectory } from "./component-harness.ts";

const HTTP = {
  listen_address: "127.0.0.1",
  listen_port: 0,
  conn_limit: 0,
  server_read_timeout: 30_000,
  server_write_timeout: 30_000,
  server_idle_timeout: 120_000,
  tls: undefined,
};
const RULES = compileRules(
  [
    ["__aws_owner", "owner"],
    ["__aws_cw_log_group", "log_group"],
    ["__aws_cw_log_stream", "log_stream"],
    ["__aws_cw_matched_filters", "matched_filters"],
    ["__aws_cw_msg_type", "msg_type"],
    ["__aws_firehose_request_id", "firehose_request_id"],
    ["__aws_firehose_source_arn", "firehose_source_arn"],
  ].map(([from, to]) => ({ sourceLabels: [from!], targetLabel: to! })),
  { names: "legacy" },
);

async function start(receiver: LogsReceiver, changes: object = {}) {
  const directory = await temporaryDirectory();
  const values = {
    forward_to: [receiver],
    access_key: undefined,
    relabel_rules: RULES,
    use_incoming_timestamp: true,
    http: HTTP,
    ...changes,
  } as never;
  const component = startComponent(sourceAwsFirehose, values, directory.path);
  while (component.health.state !== "healthy") await new Promise(setImmediate);
  const port = /:(\d+)$/.exec(component.health.message)![1]!;
  return {
    component,
    deliver: async (body: unknown, headers: Record<string, string> = {}) => {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const isGzip = headers["content-encoding"] === "gzip";
      const response = await fetch(`http://127.0.0.1:${port}/awsfirehose/api/v1/push`, {
        method: "POST",
        body: isGzip ? new Uint8Array(gzipSync(text)) : text,
        headers: { "X-Amz-Firehose-Request-Id": "r-1", ...headers },
      });
      const answer = (await response.json()) as Record<string, unknown>;
      return { status: response.status, headers: response.headers, answer };
    },
    async [Symbol.asyncDispose]() {
      await component[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const base64 = (data: string | Buffer) => Buffer.from(data).toString("base64");
const requestOf = (...records: readonly (string | Buffer)[]) => ({
  requestId: "r-1",
  timestamp: 1_700_000_000_123,
  records: records.map((data) => ({ data: base64(data) })),
});
const CLOUDWATCH = {
  messageType: "DATA_MESSAGE",
  owner: "111111111111",
  logGroup: "/aws/lambda/f",
  logStream: "2026/s",
  subscriptionFilters: ["a", "b"],
  logEvents: [
    { id: "1", timestamp: 1_700_000_000_001, message: "START" },
    { id: "2", timestamp: 1_700_000_000_002, message: "END\n" },
  ],
};

describe("loki.source.awsfirehose", () => {
  test("lines and messages of CloudWatch, with labels by rules and times of the sender", async () => {
    const receiver = collectingReceiver();
    const { entries } = receiver;
    await using source = await start(receiver);
    const { status, answer } = await source.deliver(
      requestOf("a line", gzipSync(JSON.stringify(CLOUDWATCH))),
      { "X-Amz-Firehose-Source-Arn": "arn:x", "content-encoding": "gzip" },
    );
    assert.equal(status, 200);
    assert.equal(answer["requestId"], "r-1");
    assert.equal(typeof answer["timestamp"], "number");
    const common = { firehose_request_id: "r-1", firehose_source_arn: "arn:x" };
    const cloudwatch = {
      ...common,
      owner: "111111111111",
      log_group: "/aws/lambda/f",
      log_stream: "2026/s",
      matched_filters: "a,b",
      msg_type: "DATA_MESSAGE",
    };
    assert.deepEqual(
      entries.map(({ labels, line, timestampNs }) => [labels.toObject(), line, timestampNs]),
      [
        [common, "a line", 1_700_000_000_123_000_000n],
        [cloudwatch, "START", 1_700_000_000_001_000_000n],
        [cloudwatch, "END\n", 1_700_000_000_002_000_000n],
      ],
    );
  });

  test("labels of the request, their names made valid, and its tenant", async () => {
    const receiver = collectingReceiver();
    const { entries } = receiver;
    await using source = await start(receiver, { relabel_rules: undefined });
    const commonAttributes = {
      lbl_env: "prod",
      "lbl_myLabel-100%": "x",
      lbl_0bad: "y",
      other: "z",
    };
    await source.deliver(requestOf("l"), {
      "X-Amz-Firehose-Common-Attributes": JSON.stringify({ commonAttributes }),
      "X-Scope-OrgID": "t",
    });
    await source.deliver(requestOf("l"), { "X-Amz-Firehose-Common-Attributes": "{" });
    assert.deepEqual(
      entries.map(({ labels }) => labels.toObject()),
      [{ env: "prod", my_label_100_percent: "x", __tenant_id__: "t" }, {}],
    );
    for (const reason of ["invalid_label_name", "invalid_json_format"])
      assert.equal(
        source.component.counters.get(
          `loki_source_awsfirehose_invalid_static_labels_errors${JSON.stringify({ reason })}`,
        ),
        1,
      );
  });

  test("records that cannot be read are counted, the others taken", async () => {
    const receiver = collectingReceiver();
    const { entries } = receiver;
    await using source = await start(receiver);
    const request = requestOf("good", gzipSync("no JSON"), Buffer.from([0x1f, 0x8b, 0]));
    request.records.push({ data: "%%%" });
    assert.equal((await source.deliver(request)).status, 200);
    assert.deepEqual(
      entries.map(({ line }) => line),
      ["good"],
    );
    for (const reason of ["cw-json-decode", "gzip-deflate", "base64-decode"])
      assert.equal(
        source.component.counters.get(
          `loki_source_awsfirehose_record_errors${JSON.stringify({ reason })}`,
        ),
        1,
        reason,
      );
  });

  test("what is refused is told in Firehose's form", async () => {
    const receiver = collectingReceiver();
    const { entries } = receiver;
    await using source = await start(receiver, { access_key: { reveal: () => "key" } });
    const wrong = await source.deliver(requestOf("l"), { "X-Amz-Firehose-Access-Key": "kay" });
    assert.deepEqual([wrong.status, wrong.answer["requestId"]], [401, "r-1"]);
    assert.match(String(wrong.answer["errorMessage"]), /access key of Firehose is missing/);
    const key = { "X-Amz-Firehose-Access-Key": "key" };
    for (const body of ["{", "[]", "{}", { records: [{}] }]) {
      const { status, answer } = await source.deliver(body, key);
      assert.equal(status, 400, JSON.stringify(body));
      assert.match(String(answer["errorMessage"]), /no request of Firehose/);
    }
    assert.equal((await source.deliver(requestOf("l"), key)).status, 200);
    assert.equal(entries.length, 1);
  });

  test("what receivers do not take is to be sent again", async () => {
    const receiver: LogsReceiver = {
      kind: "logs-receiver",
      owner: "full",
      append: () => Promise.reject(new Error("full")),
    };
    await using source = await start(receiver);
    const { status, headers, answer } = await source.deliver(requestOf("l"));
    assert.equal(status, 503);
    assert.equal(headers.get("retry-after"), "5");
    assert.match(String(answer["errorMessage"]), /the entries are not taken: .*full/);
  });
});
