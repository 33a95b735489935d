/**
 * The collector service asked by other people's clients: Connect's own for Node, by POST and by GET, with protobuf and JSON, compressed and not, and by gRPC. connect-go, which Alloy
 * has, speaks the same protocol.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { create, createFileRegistry } from "@bufbuild/protobuf";
import type { DescService } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  MethodOptions_IdempotencyLevel,
} from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
} from "@connectrpc/connect-node";
import { FinchError, silentLogger } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import type { Listener } from "@finch/runtime/http";
import { collectorGrpcMethods, collectorRoutes } from "../src/fleet/collector-routes.ts";
import { CollectorRegistry } from "../src/fleet/collector-registry.ts";
import { CollectorService, toGiven } from "../src/fleet/collector-service.ts";
import { controlDirectory, manualClock, START_MS } from "./control-directory.ts";

const GIVEN = toGiven('local.file "a" { filename = "/a" }\n');

const { BOOL, ENUM, MESSAGE, STRING } = FieldDescriptorProto_Type;
type Field = readonly [number: number, name: string, type: FieldDescriptorProto_Type, of?: string];

const PACKAGE = ".collector.v1";
const MAP = `${PACKAGE}.MAP`;
const FIELDS: Readonly<Record<string, readonly Field[]>> = {
  GetConfigRequest: [
    [1, "id", STRING],
    [3, "hash", STRING],
    [4, "local_attributes", MESSAGE, MAP],
    [5, "remote_config_status", MESSAGE, `${PACKAGE}.RemoteConfigStatus`],
  ],
  RemoteConfigStatus: [
    [1, "status", ENUM, `${PACKAGE}.RemoteConfigStatuses`],
    [2, "error_message", STRING],
  ],
  GetConfigResponse: [
    [1, "content", STRING],
    [2, "hash", STRING],
    [3, "not_modified", BOOL],
  ],
  RegisterCollectorRequest: [
    [1, "id", STRING],
    [3, "name", STRING],
    [4, "local_attributes", MESSAGE, MAP],
  ],
  RegisterCollectorResponse: [],
  UnregisterCollectorRequest: [[1, "id", STRING]],
  UnregisterCollectorResponse: [],
};

/** The service as Connect's client wants it described: api/collector/v1/collector.proto of grafana/alloy-remote-config, without what is deprecated. */
function describeService(): DescService {
  const file = create(FileDescriptorProtoSchema, {
    name: "collector.proto",
    package: "collector.v1",
    syntax: "proto3",
    messageType: Object.entries(FIELDS).map(([name, fields]) => describeMessage(name, fields)),
    enumType: [
      {
        name: "RemoteConfigStatuses",
        value: ["UNSET", "APPLIED", "APPLYING", "FAILED"].map((value, number) => ({
          name: `RemoteConfigStatuses_${value}`,
          number,
        })),
      },
    ],
    service: [
      {
        name: "CollectorService",
        method: ["GetConfig", "RegisterCollector", "UnregisterCollector"].map((name) => ({
          name,
          inputType: `${PACKAGE}.${name}Request`,
          outputType: `${PACKAGE}.${name}Response`,
          // What may be asked by GET.
          ...(name === "GetConfig" && {
            options: { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS },
          }),
        })),
      },
    ],
  });
  return createFileRegistry(file, () => undefined).getService("collector.v1.CollectorService")!;
}

function describeMessage(name: string, fields: readonly Field[]) {
  const entry = "LocalAttributesEntry";
  const { OPTIONAL, REPEATED } = FieldDescriptorProto_Label;
  const text = (key: string, number: number) => ({
    name: key,
    jsonName: key,
    number,
    type: STRING,
    label: OPTIONAL,
  });
  return {
    name,
    field: fields.map(([number, field, type, of]) => ({
      name: field,
      jsonName: field.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
      number,
      type,
      label: of === MAP ? REPEATED : OPTIONAL,
      typeName: of === MAP ? `${PACKAGE}.${name}.${entry}` : (of ?? ""),
    })),
    nestedType: fields.some(([, , , of]) => of === MAP)
      ? [{ name: entry, field: [text("key", 1), text("value", 2)], options: { mapEntry: true } }]
      : [],
  };
}

const clock = manualClock(START_MS);
const directory = await controlDirectory(clock);
const control = await directory.open();
const registry = new CollectorRegistry(control.database);
const wire = {
  service: new CollectorService({
    registry,
    clock,
    configurationOf: () => GIVEN,
    isRegistered: () => true,
    onContact: () => {},
  }),
  authenticate: async (authorization: string) => {
    if (authorization === "Bearer good") return "rid:1";
    throw new FinchError("unauthenticated", "control/bad-token", "permission denied");
  },
};
let listener: Listener;

before(async () => {
  listener = await openListener({
    name: "test",
    purpose: "the test",
    host: "127.0.0.1",
    port: 0,
    routes: collectorRoutes(wire),
    grpc: collectorGrpcMethods(wire),
    limits: DEFAULT_HTTP_LIMITS,
    clock,
    log: silentLogger,
  });
});

after(async () => {
  await listener.close(0);
  control[Symbol.dispose]();
  await directory[Symbol.asyncDispose]();
});

const gzip = { sendCompression: compressionGzip, compressMinBytes: 0 };
const TRANSPORTS: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  "Connect, POST, protobuf": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  "Connect, GET, protobuf": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true }),
  "Connect, GET, protobuf, gzip": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true, ...gzip }),
  "Connect, GET, JSON": (baseUrl) =>
    createConnectTransport({
      baseUrl,
      httpVersion: "1.1",
      useHttpGet: true,
      useBinaryFormat: false,
    }),
  "Connect, POST, JSON, gzip": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, ...gzip }),
  "gRPC of Connect": (baseUrl) => createGrpcTransport({ baseUrl }),
};

interface Collectors {
  getConfig(request: object, options: object): Promise<Readonly<Record<string, unknown>>>;
  registerCollector(request: object, options: object): Promise<object>;
  unregisterCollector(request: object, options: object): Promise<object>;
}

describe("other people's clients", () => {
  for (const [name, open] of Object.entries(TRANSPORTS)) {
    test(name, async () => {
      const transport = open(`http://127.0.0.1:${listener.port}`);
      const client = createClient(describeService(), transport) as unknown as Collectors;
      const good = { headers: { authorization: "Bearer good" } };
      const about = { id: name, localAttributes: { env: "prod", "collector.os": "linux" } };
      const first = await client.getConfig(about, good);
      assert.deepEqual(
        [first["content"], first["hash"], first["notModified"]],
        [GIVEN.text, GIVEN.hash, false],
      );
      await client.registerCollector({ ...about, name: "for people" }, good);
      const second = await client.getConfig(
        {
          ...about,
          hash: GIVEN.hash,
          remoteConfigStatus: { status: 3, errorMessage: "ä ".repeat(2000) },
        },
        good,
      );
      assert.deepEqual(
        [second["content"], second["hash"], second["notModified"]],
        ["", GIVEN.hash, true],
      );
      const known = registry.get(name)!;
      assert.deepEqual(
        [known.name, known.attributes, known.status, known.failedHash, known.goneAtMs],
        ["for people", about.localAttributes, "failed", GIVEN.hash, undefined],
      );
      assert.equal(known.statusError, "ä ".repeat(2000));
      await client.unregisterCollector({ id: name }, good);
      assert.equal(registry.get(name)!.goneAtMs, START_MS);
      const code = async (asked: Promise<unknown>) =>
        asked.then(
          () => undefined,
          (error: unknown) => ConnectError.from(error).code,
        );
      assert.equal(await code(client.getConfig(about, {})), Code.Unauthenticated);
      assert.equal(await code(client.getConfig({ id: "" }, good)), Code.InvalidArgument);
    });
  }
});
