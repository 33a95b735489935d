/** Which labels were demoted, and how to take that back: Finch's own API. */
import { FinchError } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { LabelDemotion } from "./label-demotion.ts";

export function demotionRoutes(demotion: LabelDemotion): readonly HttpRoute[] {
  const handle = async (request: HttpRequest): Promise<HttpReply> => {
    if (request.method === "DELETE") await restore(demotion, request.query);
    const labels = demotion.list().map(({ name, service, sinceMs, untilMs }) => ({
      name,
      service: service ?? null,
      since: new Date(sinceMs).toISOString(),
      until: untilMs === undefined ? null : new Date(untilMs).toISOString(),
    }));
    return jsonReply(200, { labels });
  };
  return [
    {
      kind: "http",
      methods: ["GET", "DELETE"],
      path: "/api/v1/logs/demoted_labels",
      faults: "json",
      handle,
    },
  ];
}

async function restore(demotion: LabelDemotion, query: URLSearchParams): Promise<void> {
  const name = query.get("name") ?? "";
  const service = query.get("service") ?? undefined;
  if (await demotion.restore(name, service)) return;
  const where = service === undefined ? "everywhere" : `in service ${JSON.stringify(service)}`;
  throw new FinchError(
    "not-found",
    "server/not-demoted",
    `label ${JSON.stringify(name)} is not demoted ${where}: give name, and service where the list has one`,
  );
}
