/** The agent's HTTP API (port 12345) as routes to mount: health, reload, metrics, the web API, and the pages for people. */
import { FinchError } from "@finch/runtime";
import { textReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute, Route } from "@finch/runtime/http";
import { pageRoutes } from "./pages/page-routes.ts";
import type { Agent } from "./runtime/agent.ts";
import { ConfigError } from "./runtime/config-error.ts";
import { webApiRoutes } from "./web-api.ts";

/** Routes for a listener; they answer from the agent at each request. */
export function createAgentRoutes(agent: Agent): readonly Route[] {
  const get = (
    path: string,
    answer: (request: HttpRequest) => HttpReply | Promise<HttpReply>,
    methods: HttpRoute["methods"] = ["GET"],
  ): HttpRoute => ({
    kind: "http",
    methods,
    path,
    faults: "text",
    handle: async (request) => answer(request),
  });
  return [
    ...pageRoutes(agent),
    get("/-/ready", () => textReply(200, "The agent is ready.\n")),
    get("/-/healthy", () => answerHealth(agent)),
    get("/-/reload", () => answerReload(agent), ["GET", "POST"]),
    get("/metrics", () => ({
      status: 200,
      headers: EXPOSITION_HEADERS,
      body: agent.metricsText(),
    })),
    ...webApiRoutes(agent),
    get("/api/v0/component/*", (request) => answerInternal(agent, request)),
  ];
}

const EXPOSITION_HEADERS = { "content-type": "text/plain; version=0.0.4; charset=utf-8" };

/** As long as `prometheus.scrape` waits unless told otherwise. */
const SCRAPE_TIMEOUT_MS = 10_000;

function answerHealth(agent: Agent): HttpReply {
  const sick = agent
    .components()
    .filter(({ health }) => health.state === "unhealthy" || health.state === "exited");
  if (sick.length === 0) return textReply(200, "All components are healthy.\n");
  return textReply(500, `unhealthy components: ${sick.map(({ id }) => id).join(", ")}\n`);
}

async function answerReload(agent: Agent): Promise<HttpReply> {
  try {
    await agent.reload();
  } catch (error) {
    if (error instanceof ConfigError) return textReply(400, error.text());
    if (error instanceof FinchError) return textReply(400, `${error.message}\n`);
    throw error;
  }
  return textReply(200, "config reloaded\n");
}

/** What an exporter shows under its in-process address, for those that look from outside. */
async function answerInternal(agent: Agent, request: HttpRequest): Promise<HttpReply> {
  const handler = agent.internalHandlers.get(request.path);
  if (handler !== undefined)
    return {
      status: 200,
      headers: EXPOSITION_HEADERS,
      body: await handler({
        query: request.query,
        timeoutMs: scrapeTimeoutMs(request),
        signal: request.signal,
      }),
    };
  throw new FinchError("not-found", "agent/no-component", `no component serves ${request.path}`);
}

/** What the scraper says of its patience; a browser says nothing. */
function scrapeTimeoutMs(request: HttpRequest): number {
  const seconds = Number(request.header("x-prometheus-scrape-timeout-seconds"));
  return seconds > 0 ? seconds * 1000 : SCRAPE_TIMEOUT_MS;
}
