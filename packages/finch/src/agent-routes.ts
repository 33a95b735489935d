/** The agent's HTTP pages as `alloy` has them: health, figures, reload, and the components as JSON. */
import type { Agent } from "@finch/agent";
import { FinchError } from "@finch/runtime";
import { jsonReply, textReply } from "@finch/runtime/http";
import type { HttpMethod, HttpReply, HttpRequest, HttpRoute, Route } from "@finch/runtime/http";

/** Routes of an agent; `running` is asked at every request and throws when there is none yet. */
export function agentRoutes(running: () => Agent): readonly Route[] {
  const route = (
    path: string,
    methods: readonly HttpMethod[],
    handle: (request: HttpRequest) => Promise<HttpReply>,
  ): HttpRoute => ({ kind: "http", methods, path, faults: "text", handle });
  return [
    route("/-/ready", ["GET"], async () => textReply(200, "Alloy is ready.\n")),
    route("/-/healthy", ["GET"], async () => health(running())),
    route("/-/reload", ["GET", "POST"], async () => {
      await running().reload();
      return textReply(200, "config reloaded\n");
    }),
    route("/metrics", ["GET"], async () => ({
      status: 200,
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
      body: running().metricsText(),
    })),
    route("/api/v0/web/components", ["GET"], async () => jsonReply(200, running().components())),
    route("/api/v0/web/components/*", ["GET"], async (request) => {
      const id = request.params["*"]!;
      const found = running().component(id);
      if (found === undefined) {
        throw new FinchError("not-found", "finch/no-component", `there is no component ${id}`);
      }
      return jsonReply(200, found);
    }),
    // In-process addresses of exporters, for people and other scrapers.
    route("/api/v0/component/*", ["GET"], async (request) => {
      const handler = running().internalHandlers.get(request.path);
      if (handler === undefined) {
        throw new FinchError(
          "not-found",
          "finch/no-component",
          `nothing answers at ${request.path}`,
        );
      }
      return textReply(200, await handler());
    }),
  ];
}

function health(agent: Agent): HttpReply {
  const unwell = agent
    .components()
    .filter(({ health: { state } }) => state === "unhealthy" || state === "exited");
  if (unwell.length === 0) return textReply(200, "All Alloy components are healthy.\n");
  return textReply(500, `unhealthy components: ${unwell.map(({ id }) => id).join(", ")}\n`);
}
