/**
 * What shippers ask of Elasticsearch, for a listener of its own: `_bulk`, and the questions they begin with. Templates, policies, pipelines and data streams are
 * said to be there already, so that none is sent: lines need none of them. Each operation of a bulk has its own outcome; the answer comes when all that succeeded
 * is durable.
 */
import type { Clock } from "@finch/runtime";
import { FinchError } from "@finch/runtime";
import { faultReply } from "@finch/runtime/http";
import type {
  HttpFaultWriter,
  HttpMethod,
  HttpReply,
  HttpRequest,
  HttpRoute,
} from "@finch/runtime/http";
import { DEFAULT_LIMITS } from "@finch/store";
import { decodeElasticBulk, encodeBulkReply, LogEntryGroups } from "@finch/wire";
import { readEncodedBody } from "../encoded-body.ts";
import { pushLimitsOf } from "./ingest.ts";
import type { LogIngest } from "./ingest.ts";
import type { LogsLimits } from "./limits.ts";

export interface ElasticContext {
  readonly ingest: LogIngest;
  readonly clock: Clock;
  readonly limits: LogsLimits;
}

/** The version that is spoken; shippers refuse what is older than themselves. */
const VERSION = "8.19.0";
const CLUSTER_ID = "finch-logs";
const NS_PER_MS = 1_000_000n;
/** Clients look for this before they send. */
const HEADERS = {
  "content-type": "application/json",
  "x-elastic-product": "Elasticsearch",
} as const;

const ROOT = {
  name: "finch",
  cluster_name: "finch",
  cluster_uuid: CLUSTER_ID,
  version: {
    number: VERSION,
    build_flavor: "default",
    build_type: "tar",
    build_hash: "unknown",
    build_date: "2026-01-01T00:00:00Z",
    build_snapshot: false,
    lucene_version: "9.12.0",
    minimum_wire_compatibility_version: "7.17.0",
    minimum_index_compatibility_version: "7.0.0",
  },
  tagline: "You Know, for Search",
};
const LICENSE = { status: "active", uid: CLUSTER_ID, type: "basic", mode: "basic" };
const HEALTH = {
  cluster_name: "finch",
  status: "green",
  timed_out: false,
  number_of_nodes: 1,
  number_of_data_nodes: 1,
};

/** Questions with answers that are always the same. */
const FIXED: readonly (readonly [path: string, answer: object])[] = [
  ["/", ROOT],
  ["/_license", { license: LICENSE }],
  ["/_xpack", { license: LICENSE, features: {} }],
  ["/_cluster/health", HEALTH],
  ["/_nodes/*", { cluster_name: "finch", nodes: {} }],
];

/** What is set up at a real cluster before anything is sent. */
const SET_UP = [
  "/_ilm/*",
  "/_index_template/*",
  "/_template/*",
  "/_component_template/*",
  "/_data_stream/*",
  "/_ingest/*",
  "/_alias/*",
] as const;
const READ: readonly HttpMethod[] = ["GET"];
const WRITE: readonly HttpMethod[] = ["POST", "PUT"];

export function elasticRoutes(context: ElasticContext): readonly HttpRoute[] {
  const route = (
    methods: readonly HttpMethod[],
    path: string,
    handle: (request: HttpRequest) => Promise<HttpReply>,
  ): HttpRoute => ({ kind: "http", methods, path, faults: tellFault, handle });
  const bulk = (request: HttpRequest) => takeBulk(context, request);
  return [
    route(WRITE, "/_bulk", bulk),
    route(WRITE, "/:index/_bulk", bulk),
    ...FIXED.map(([path, answer]) => route(READ, path, () => Promise.resolve(reply(200, answer)))),
    ...SET_UP.flatMap((path) => [
      route(READ, path, () => Promise.resolve(reply(200, {}))),
      route(WRITE, path, () => Promise.resolve(reply(200, { acknowledged: true }))),
    ]),
  ];
}

async function takeBulk(context: ElasticContext, request: HttpRequest): Promise<HttpReply> {
  const { clock, ingest, limits } = context;
  const beganMs = clock.monotonicMs();
  const bounds = {
    writeBytesMax: limits.pushBytesMax,
    writeDecodedBytesMax: limits.pushDecodedBytesMax,
  };
  const body = await readEncodedBody(request, bounds);
  const nowNs = clock.nowNs();
  const pushLimits = pushLimitsOf(limits);
  const operations = decodeElasticBulk(body, {
    index: request.params["index"],
    nowNs,
    // What the store would refuse is told of the operation it came by.
    oldestNs:
      nowNs - BigInt(Math.min(limits.ageMsMax, DEFAULT_LIMITS.outOfOrderWindowMs)) * NS_PER_MS,
    newestNs: nowNs + BigInt(limits.futureMsMax) * NS_PER_MS,
    limits: pushLimits,
  });
  const groups = new LogEntryGroups();
  for (const { entry } of operations)
    if (entry !== undefined) groups.add(entry.labels, entry.entry);
  const { batch, faults, rejected } = groups.build(pushLimits);
  const refusals = rejected > 0 ? undefined : await ingest.take(batch);
  const told = [...faults, ...(refusals?.told() ?? [])];
  // Which operation an entry came by is not known any more: nothing is claimed to be stored that is not.
  if (told.length > 0) throw new FinchError("invalid", "server/push-refused", told.join("\n"));
  ingest.countRefused(operations.filter(({ fault }) => fault !== undefined).length);
  const filter = request.query.get("filter_path") ?? "";
  return {
    status: 200,
    headers: HEADERS,
    body: encodeBulkReply(operations, {
      isBrief: filter !== "",
      tookMs: Math.round(clock.monotonicMs() - beganMs),
    }),
  };
}

function reply(status: number, value: object): HttpReply {
  return { status, headers: HEADERS, body: JSON.stringify(value) };
}

const TYPES: Readonly<Record<number, string>> = {
  400: "parse_exception",
  404: "index_not_found_exception",
  413: "content_too_long_exception",
  429: "es_rejected_execution_exception",
};

/** In the shape of Elasticsearch. */
function tellFault(fault: FinchError, _request: Parameters<HttpFaultWriter>[1]): HttpReply {
  const { headers, status } = faultReply(fault, "text");
  const type = TYPES[status] ?? "exception";
  const cause = { type, reason: fault.message };
  return {
    status,
    headers: { ...headers, ...HEADERS },
    body: JSON.stringify({ error: { root_cause: [cause], ...cause }, status }),
  };
}
