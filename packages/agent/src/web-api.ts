/** The HTTP API of Alloy's own pages, for programs that read it: components, modules, and streams of what passes, in chunks that end with `|;|`. */
import { FinchError } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute, Route } from "@finch/runtime/http";
import type { FlowMeter } from "./live/flow-meters.ts";
import type { PassedItem } from "./live/live-debug.ts";
import { refuseForeignHost } from "./pages/foreign-host.ts";
import { shownId } from "./pages/graph-page.ts";
import type { Agent } from "./runtime/agent.ts";
import type { ComponentInfo } from "./runtime/component-info.ts";

const CHUNK_END = "|;|";

export function webApiRoutes(agent: Agent): readonly Route[] {
  const get = (
    path: string,
    answer: (request: HttpRequest, rest: string) => HttpReply,
  ): HttpRoute => ({
    kind: "http",
    methods: ["GET"],
    path: `/api/v0/web${path}`,
    faults: "text",
    handle: async (request) => answer(request, request.params["*"] ?? ""),
  });
  const list = (components: readonly ComponentInfo[]) =>
    jsonReply(
      200,
      components.map((info) => summaryJson(agent, info)),
    );
  return [
    get("/components", () => list(agent.components())),
    get("/components/*", (_, id) => jsonReply(200, detailJson(agent, component(agent, id)))),
    get("/modules/*", (request, rest) => {
      const id = /^(.+)\/components$/.exec(rest)?.[1];
      if (id === undefined || agent.flowGraph(id) === undefined) throw notFound(request.path);
      return list(agent.components().filter(({ moduleId }) => moduleId === id));
    }),
    get("/debug/*", (request, id) => {
      refuseForeignHost(request);
      const share = numberParameter(request, "sampleProb", { fallback: 1, min: 0, max: 1 });
      const chunks = agent.live.watch(component(agent, id).id, request.signal);
      return stream(passedChunks(chunks, id, share));
    }),
    get("/graph", (request) => stream(feeds(agent, "", request))),
    get("/graph/*", (request, id) => {
      if (agent.flowGraph(id) === undefined) throw notFound(request.path);
      return stream(feeds(agent, id, request));
    }),
  ];
}

function component(agent: Agent, id: string): ComponentInfo {
  const found = agent.component(id);
  if (found === undefined) throw notFound(id);
  return found;
}

function notFound(what: string): FinchError {
  return new FinchError(
    "not-found",
    "agent/no-component",
    `no component ${JSON.stringify(what)}; /api/v0/web/components lists all`,
  );
}

function stream(body: AsyncIterable<string>): HttpReply {
  return {
    status: 200,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
    body,
    compress: false,
  };
}

function numberParameter(
  { query }: HttpRequest,
  name: string,
  { fallback, min, max }: { readonly fallback: number; readonly min: number; readonly max: number },
): number {
  const text = query.get(name) ?? "";
  const value = text === "" ? fallback : Number(text);
  if (value >= min && value <= max) return value;
  throw new FinchError(
    "invalid",
    "agent/bad-parameter",
    `${name}=${text}: a number from ${min} to ${max} is wanted`,
  );
}

/** Of the entries, samples and targets that can be shown, a share, evenly spread. */
async function* passedChunks(
  chunks: AsyncIterable<{ readonly items: readonly PassedItem[] }>,
  own: string,
  share: number,
): AsyncGenerator<string> {
  let owed = 0;
  for await (const { items } of chunks) {
    let text = "";
    for (const item of items) {
      owed += share;
      if (owed < 1) continue;
      owed -= 1;
      text += `[${item.to === own ? "IN" : "OUT"}]: ${describeItem(item)}${CHUNK_END}`;
    }
    if (text !== "") yield text;
  }
}

function describeItem({ kind, time, text, labels, metadata }: PassedItem): string {
  if (kind === "target") return labels;
  if (kind === "profile") return `profile: labels=${labels}, ${text}`;
  if (kind === "sample") return `sample: ts=${time}, labels=${labels}, value=${text}`;
  if (kind === "span")
    return `span: ts=${time}, name=${text}, resource=${labels}, attributes=${metadata}`;
  const rest = metadata === "" ? "" : `, structured_metadata: ${metadata}`;
  return `timestamp: ${time}, entry: ${text}, labels: ${labels}${rest}`;
}

/** What flowed during each window of seconds, by sender and kind. */
async function* feeds(
  agent: Agent,
  moduleId: string,
  request: HttpRequest,
): AsyncGenerator<string> {
  const seconds = numberParameter(request, "window", { fallback: 5, min: 1, max: 60 });
  const { clock, meters } = agent.live;
  let before = new Map(meters.all().map((meter) => [meter, meter.items]));
  while (!request.signal.aborted) {
    await clock.sleep(seconds * 1000, request.signal).catch(() => {});
    if (request.signal.aborted) return;
    const passed = meters.all().flatMap((meter) => {
      const count = meter.items - (before.get(meter) ?? 0);
      return count === 0 ? [] : [feedJson(meter, { moduleId, count, seconds })];
    });
    before = new Map(meters.all().map((meter) => [meter, meter.items]));
    yield passed.length === 0
      ? CHUNK_END
      : passed.map((feed) => `${JSON.stringify(feed)}${CHUNK_END}`).join("");
  }
}

const OTEL_FEED_TYPES = { traces: "otel_trace", metrics: "otel_metric", logs: "otel_log" } as const;

function feedType({ kind, signal }: FlowMeter): string {
  if (signal === "profiles") return "pyroscope_profile";
  if (kind === "otlp") return OTEL_FEED_TYPES[signal];
  return kind === "logs" ? "loki_log" : "prometheus_metric";
}

function feedJson(
  meter: FlowMeter,
  of: { readonly moduleId: string; readonly count: number; readonly seconds: number },
) {
  return {
    componentID: shownId(meter.from, of.moduleId),
    targetComponentIDs: [shownId(meter.to, of.moduleId)],
    type: feedType(meter),
    count: of.count,
    rate: of.count / of.seconds,
  };
}

function summaryJson(agent: Agent, info: ComponentInfo) {
  const flows = agent.flowGraph(info.moduleId)?.edges ?? [];
  return {
    name: info.name,
    type: "block",
    localID: info.localId,
    moduleID: info.moduleId,
    label: info.label,
    referencesTo: info.referencesTo,
    referencedBy: info.referencedBy,
    dataFlowEdgesTo: [...new Set(flows.filter(({ from }) => from === info.id).map(({ to }) => to))],
    createdModuleIDs: info.createdModuleIds,
    liveDebuggingEnabled: agent.live.isOn,
    health: {
      state: info.health.state,
      message: info.health.message,
      updatedTime: new Date(info.health.sinceMs).toISOString(),
    },
    original: "",
  };
}

function detailJson(agent: Agent, info: ComponentInfo) {
  return {
    ...summaryJson(agent, info),
    arguments: info.arguments,
    exports: info.exports,
    debugInfo: agent.metricsOf(info.id).map(({ name, labels, value }) => ({
      name,
      type: "block",
      body: [
        ...Object.entries(labels).map(([key, text]) => ({
          name: key,
          type: "attr",
          value: { type: "string", value: text },
        })),
        { name: "value", type: "attr", value: { type: "number", value: String(value) } },
      ],
    })),
  };
}
