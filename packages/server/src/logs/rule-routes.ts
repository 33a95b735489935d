/** `rules` and `alerts` as Grafana's alerting pages ask them of Loki, in Prometheus' shapes. No rules over logs are evaluated, so the lists are empty. */
import { FinchError } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";

export function ruleRoutes(): readonly HttpRoute[] {
  const route = (path: string, handle: HttpRoute["handle"]): HttpRoute => ({
    kind: "http",
    methods: ["GET"],
    path,
    faults: "prometheus",
    handle,
  });
  return [
    route("/prometheus/api/v1/rules", answerRules),
    route("/prometheus/api/v1/alerts", async () =>
      jsonReply(200, { status: "success", data: { alerts: [] } }),
    ),
  ];
}

async function answerRules(request: HttpRequest): Promise<HttpReply> {
  const type = ((await request.readParameters()).get("type") ?? "").toLowerCase();
  if (!["", "alert", "record"].includes(type)) {
    const message = `not supported value ${JSON.stringify(type)}`;
    throw new FinchError("invalid", "server/bad-parameter", message);
  }
  return jsonReply(200, { status: "success", data: { groups: [] } });
}
