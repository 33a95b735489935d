/** The API of the fleet for people and their tools, below `/api/v1/fleet`. Faults as `{"error","code"}`; times in RFC 3339. */
import { FinchError } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute, Route, RouteAccess } from "@finch/runtime/http";
import type { Actor } from "../audit-trail.ts";
import {
  collectorJson,
  readEdit,
  readReason,
  readRolloutRequest,
  readText,
  rolloutJson,
  versionJson,
} from "./fleet-json.ts";
import type { Fleet } from "./fleet.ts";
import { CONFIGURATION_CHARS_MAX } from "./limits.ts";
import type { Rollout } from "./rollout-store.ts";
import { parseSelector } from "./selector.ts";

export interface FleetRoutesOptions {
  readonly fleet: Fleet;
  /** Who asks, for the audit trail; whether they may is looked at before, by the access of each route. */
  readonly actorOf: (request: HttpRequest) => Actor;
}

/** JSON may need six characters for one. */
const BODY_BYTES_MAX = 6 * CONFIGURATION_CHARS_MAX;

type Handle = (request: HttpRequest, actor: Actor) => HttpReply | Promise<HttpReply>;

export function fleetRoutes(options: FleetRoutesOptions): readonly Route[] {
  const { fleet, actorOf } = options;
  const route =
    (access: RouteAccess) =>
    (method: HttpRoute["methods"][number], path: string, handle: Handle): HttpRoute => ({
      kind: "http",
      methods: [method],
      path: `/api/v1/fleet${path}`,
      faults: "json",
      access,
      handle: async (request) => handle(request, actorOf(request)),
    });
  const read = route("read-all");
  // Texts may hold secrets.
  const edit = route("edit");
  return [
    read("GET", "/collectors", (request) => listCollectors(fleet, request)),
    read("GET", "/collectors/:id", ({ params }) =>
      jsonReply(200, collectorJson(foundCollector(fleet, params["id"]!))),
    ),
    edit("DELETE", "/collectors/:id", ({ params }, actor) => {
      fleet.forget(foundCollector(fleet, params["id"]!).id, actor);
      return { status: 204 };
    }),
    read("GET", "/configurations", () =>
      jsonReply(200, { configurations: fleet.configurations.list().map(versionJson) }),
    ),
    read("GET", "/configurations/:name", ({ params }) => {
      const newest = fleet.configurations.version(params["name"]!);
      const versions = fleet.configurations.versions(newest.configuration);
      return jsonReply(200, { name: newest.configuration, versions: versions.map(versionJson) });
    }),
    edit("GET", "/configurations/:name/versions/:number", ({ params }) => {
      const version = fleet.configurations.version(params["name"]!, numberOf(params["number"]!));
      return jsonReply(200, {
        ...versionJson(version),
        text: fleet.configurations.textOf(version),
      });
    }),
    edit("PUT", "/configurations/:name", (request, actor) => save(fleet, request, actor)),
    edit("POST", "/validate", async (request) => {
      const { text } = readText(await readJson(request));
      const diagnostics = await fleet.configurations.validate(text, "configuration");
      return jsonReply(200, { diagnostics });
    }),
    read("GET", "/rollouts", () =>
      jsonReply(200, { rollouts: fleet.rollouts.list().map((one) => shown(fleet, one)) }),
    ),
    read("GET", "/rollouts/:id", ({ params }) => showRollout(fleet, numberOf(params["id"]!))),
    edit("POST", "/rollouts", (request, actor) => startRollout(fleet, request, actor)),
    ...(["pause", "resume", "roll-back"] as const).map((kind) =>
      edit("POST", `/rollouts/:id/${kind}`, async (request, actor) => {
        const reason = readReason(await readJson(request)) || `by ${actor.name}`;
        const event = kind === "resume" ? { kind } : { kind, reason };
        const id = numberOf(request.params["id"]!);
        return jsonReply(200, shown(fleet, fleet.runner.command(id, event, actor)));
      }),
    ),
  ];
}

function listCollectors(fleet: Fleet, { query }: HttpRequest): HttpReply {
  const selector = parseSelector(query.get("selector") ?? "{}");
  const collectors = fleet.collectors().filter(({ labels }) => selector.matches(labels));
  return jsonReply(200, { collectors: collectors.map(collectorJson) });
}

async function save(fleet: Fleet, request: HttpRequest, actor: Actor): Promise<HttpReply> {
  const edit = readEdit(request.params["name"]!, await readJson(request));
  const { version, warnings } = await fleet.configurations.save(edit, actor);
  return jsonReply(200, { ...versionJson(version), warnings });
}

async function startRollout(fleet: Fleet, request: HttpRequest, actor: Actor): Promise<HttpReply> {
  const { configuration, number, ...plan } = readRolloutRequest(await readJson(request));
  const version = fleet.configurations.version(configuration, number);
  return jsonReply(201, shown(fleet, fleet.runner.start({ ...plan, version }, actor)));
}

function showRollout(fleet: Fleet, id: number): HttpReply {
  const rollout = fleet.rollouts.get(id);
  if (rollout === undefined)
    throw new FinchError("not-found", "control/no-rollout", `there is no roll-out ${id}`);
  const { unhealthy, waiting } = fleet.runner.observe(rollout);
  const collectors = fleet.rollouts.members(id).map((member) => ({
    id: member.collectorId,
    stage: member.stage + 1,
    counts: member.isCounted,
    drift: fleet.collector(member.collectorId)?.drift ?? "unknown",
  }));
  return jsonReply(200, { ...shown(fleet, rollout), waiting, unhealthy, collectors });
}

function shown(fleet: Fleet, rollout: Rollout) {
  return rolloutJson(rollout, fleet.configurations.byId(rollout.versionId));
}

function foundCollector(fleet: Fleet, id: string) {
  const found = fleet.collector(id);
  if (found !== undefined) return found;
  throw new FinchError(
    "not-found",
    "control/no-collector",
    `no collector ${JSON.stringify(id)} has called in; GET /api/v1/fleet/collectors lists all`,
  );
}

function numberOf(text: string): number {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
  throw new FinchError(
    "invalid",
    "control/bad-number",
    `${JSON.stringify(text)} is not a whole number from 1 on`,
  );
}

/** An empty body is an empty object. */
async function readJson(request: HttpRequest): Promise<unknown> {
  const body = await request.readBody(BODY_BYTES_MAX);
  if (body.length === 0) return {};
  const type = request.header("content-type").split(";")[0]!.trim().toLowerCase();
  if (type !== "application/json")
    throw new FinchError(
      "unsupported-media",
      "control/bad-request",
      "send JSON, with Content-Type: application/json",
    );
  try {
    return JSON.parse(body.toString("utf8")) as unknown;
  } catch (error) {
    throw new FinchError("invalid", "control/bad-request", "the body is not JSON", {
      cause: error,
    });
  }
}
