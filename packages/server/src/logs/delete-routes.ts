/**
 * `delete` of Loki's HTTP API: asks for lines to be deleted, lists what was asked, takes it back. A page of another site must not be able to do
 * that through somebody's browser: what says that it comes from one is refused.
 */
import { parseQuery } from "@finch/logql";
import { parseDuration, parseLokiTime } from "@finch/model";
import type { Clock } from "@finch/runtime";
import { jsonReply, textReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { LineDelete, LogStore } from "@finch/store";
import { badRequest } from "./parameters.ts";
import { textRoute } from "./text-route.ts";

const PATH = "/loki/api/v1/delete";
const NS_PER_MS = 1_000_000n;
const DONE: HttpReply = { status: 204 };
const REFUSED = textReply(403, "lines are not deleted for a page of another site\n");

interface DeleteContext {
  readonly store: LogStore;
  readonly clock: Clock;
}

export function deleteRoutes(context: DeleteContext): readonly HttpRoute[] {
  return [
    textRoute(PATH, (request) => addDelete(context, request), ["POST", "PUT"]),
    textRoute(PATH, async () => jsonReply(200, context.store.lineDeletes().map(describe)), ["GET"]),
    textRoute(PATH, (request) => cancelDelete(context, request), ["DELETE"]),
  ];
}

async function addDelete(
  { store, clock }: DeleteContext,
  request: HttpRequest,
): Promise<HttpReply> {
  if (isFromOtherSite(request)) return REFUSED;
  const parameters = await request.readParameters();
  const query = parameters.get("query") ?? "";
  if (query === "") throw badRequest("query not set");
  if (parseQuery(query).kind !== "log") throw badRequest("delete requests take log queries only");
  const nowNs = BigInt(Math.floor(clock.nowMs())) * NS_PER_MS;
  const start = parameters.get("start") ?? "";
  if (start === "") throw badRequest("start time not set");
  const startNs = readTime("start", start);
  const endNs = readTime("end", parameters.get("end") || String(nowNs));
  if (endNs > nowNs) throw badRequest("deletes in the future are not allowed");
  if (startNs > endNs) throw badRequest("start time can't be greater than end time");
  checkInterval(parameters.get("max_interval") ?? "", endNs - startNs);
  await store.deleteLines({ query, startNs, endNs });
  return DONE;
}

function readTime(name: string, text: string): bigint {
  try {
    return parseLokiTime(text);
  } catch {
    throw badRequest(`invalid ${name} time: require unix seconds or RFC3339 format`);
  }
}

/** Loki cuts a delete into parts of that length; here it is carried out block by block in any case, so that it is only held against the range. */
function checkInterval(text: string, lengthNs: bigint): void {
  if (text === "") return;
  let ms: number;
  try {
    ms = parseDuration(text);
  } catch {
    throw badRequest("invalid max_interval: valid time units are 's', 'm', 'h'");
  }
  if (ms <= 0) throw badRequest("max_interval must be greater than 0");
  if (BigInt(ms) * NS_PER_MS <= lengthNs) return;
  throw badRequest("max_interval can't be greater than the interval to be deleted");
}

async function cancelDelete({ store }: DeleteContext, request: HttpRequest): Promise<HttpReply> {
  if (isFromOtherSite(request)) return REFUSED;
  const parameters = await request.readParameters();
  const id = parameters.get("request_id") ?? "";
  if (id === "") throw badRequest("request_id not set");
  const force = (parameters.get("force") ?? "").toLowerCase();
  if (!["", "0", "1", "f", "t", "false", "true"].includes(force))
    throw badRequest(`force: ${JSON.stringify(force)} is neither true nor false`);
  const number = /^[0-9a-f]{8}$/.test(id) ? Number.parseInt(id, 16) : 0;
  await store.cancelDelete(number, { force: ["1", "t", "true"].includes(force) });
  return DONE;
}

/** Browsers say where a request comes from. */
function isFromOtherSite(request: HttpRequest): boolean {
  const origin = request.header("origin");
  const isOwn = origin === "" || URL.parse(origin)?.host === request.header("host");
  return !isOwn || request.header("sec-fetch-site") === "cross-site";
}

/** Times are seconds with at most three digits behind the point. */
function describe({ id, query, startNs, endNs, createdMs, status }: LineDelete) {
  return {
    request_id: id.toString(16).padStart(8, "0"),
    start_time: Number(startNs / NS_PER_MS) / 1000,
    end_time: Number(endNs / NS_PER_MS) / 1000,
    query,
    status,
    created_at: Math.floor(createdMs) / 1000,
  };
}
