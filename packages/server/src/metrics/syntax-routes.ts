/** `parse_query` of Prometheus' HTTP API: the syntax tree of a query, for editors that draw it. */
import { parseQuery } from "@finch/promql";
import type { HttpRoute } from "@finch/runtime/http";
import { apiRoute, dataReply, GET_OR_POST } from "./api-route.ts";
import { SYNTAX_LENGTH_MAX } from "./limits.ts";
import { inParameter, refuseLongQuery } from "./parameters.ts";
import { describeSyntax } from "./syntax-json.ts";

export function syntaxRoutes(): readonly HttpRoute[] {
  return [
    apiRoute(GET_OR_POST, "/api/v1/parse_query", async (request) => {
      const query = (await request.readParameters()).get("query") ?? "";
      refuseLongQuery(query, SYNTAX_LENGTH_MAX);
      const expr = inParameter("query", () => parseQuery(query));
      return dataReply(describeSyntax(query, expr));
    }),
  ];
}
