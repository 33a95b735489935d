/**
 * `collector.v1.CollectorService` on the wire: by the Connect protocol with protobuf or JSON (POST, and GET for `GetConfig`, which Alloy uses), and by gRPC.
 * https://connectrpc.com/docs/protocol
 */
import { FinchError } from "@finch/runtime";
import type { GrpcMethod, HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { decompressBody, negotiateConnect } from "@finch/wire";
import { decodeCall, encodeConfigAnswer, encodeEmptyAnswer } from "./collector-messages.ts";
import type { CollectorMethod, MessageForm } from "./collector-messages.ts";
import type { CollectorService } from "./collector-service.ts";
import { CALL_BYTES_MAX } from "./limits.ts";

const SERVICE = "collector.v1.CollectorService";
const METHODS: readonly CollectorMethod[] = [
  "GetConfig",
  "RegisterCollector",
  "UnregisterCollector",
];

/**
 * Who calls: the resource id of the agent that `authorization`, the value of that header, is for. Rejects with an `unauthenticated` fault for no token or one that is
 * not in force.
 */
export type AuthenticateAgent = (authorization: string) => Promise<string>;

export interface CollectorRoutesOptions {
  readonly service: CollectorService;
  readonly authenticate: AuthenticateAgent;
}

export function collectorRoutes(options: CollectorRoutesOptions): readonly HttpRoute[] {
  return METHODS.map((method) => ({
    kind: "http",
    methods: method === "GetConfig" ? ["POST", "GET"] : ["POST"],
    path: `/${SERVICE}/${method}`,
    faults: "connect",
    // Each call shows the token of its agent.
    access: "open",
    handle: (request) => answerConnect(options, method, request),
  }));
}

export function collectorGrpcMethods(options: CollectorRoutesOptions): readonly GrpcMethod[] {
  return METHODS.map((method) => ({
    path: `/${SERVICE}/${method}`,
    messageBytesMax: CALL_BYTES_MAX,
    messageBytesDecodedMax: CALL_BYTES_MAX,
    handle: async ({ message, headers }) => {
      const { authorization = "" } = headers;
      const resourceId = await options.authenticate(String(authorization));
      return answer(options, resourceId, { method, form: "proto", message });
    },
  }));
}

async function answerConnect(
  options: CollectorRoutesOptions,
  method: CollectorMethod,
  request: HttpRequest,
): Promise<HttpReply> {
  const resourceId = await options.authenticate(request.header("authorization"));
  const { form, message } = request.method === "POST" ? await readPost(request) : readGet(request);
  return {
    status: 200,
    headers: { "content-type": `application/${form}`, "cache-control": "no-store" },
    body: answer(options, resourceId, { method, form, message }),
  };
}

function answer(
  { service }: CollectorRoutesOptions,
  resourceId: string,
  call: {
    readonly method: CollectorMethod;
    readonly form: MessageForm;
    readonly message: Uint8Array;
  },
): Uint8Array {
  const { method, form, message } = call;
  const given = service.answer(resourceId, method, decodeCall(message, { method, form }));
  return given === undefined ? encodeEmptyAnswer(form) : encodeConfigAnswer(given, form);
}

interface Received {
  readonly form: MessageForm;
  readonly message: Uint8Array;
}

async function readPost(request: HttpRequest): Promise<Received> {
  const { encoding, isGzip } = negotiateConnect((name) => request.header(name));
  const body = await request.readBody(CALL_BYTES_MAX);
  return {
    form: encoding,
    message: isGzip ? decompressBody(body, "gzip", CALL_BYTES_MAX) : body,
  };
}

/** The message in the query: `encoding`, `message`, and `base64=1` and `compression` where they apply. */
function readGet({ query }: HttpRequest): Received {
  const form = query.get("encoding");
  if (form !== "proto" && form !== "json") throw badQuery("encoding must be proto or json");
  const version = query.get("connect") ?? "v1";
  if (version !== "v1") throw badQuery(`connect=${version} is not v1`);
  const text = query.get("message");
  if (text === null) throw badQuery("message is missing");
  const isBase64 = query.get("base64") === "1";
  if (isBase64 && !/^[A-Za-z0-9_+/-]*={0,2}$/.test(text)) throw badQuery("message is not base64");
  const bytes = isBase64 ? Buffer.from(text, "base64url") : Buffer.from(text);
  const compression = query.get("compression") ?? "identity";
  if (compression === "identity") return { form, message: bytes };
  if (compression !== "gzip") throw badQuery(`compression=${compression} is not spoken: send gzip`);
  return { form, message: decompressBody(bytes, "gzip", CALL_BYTES_MAX) };
}

function badQuery(message: string): FinchError {
  return new FinchError("invalid", "control/bad-collector-call", `bad call: ${message}`);
}
