/**
 * `rules`, `alerts` and `alertmanagers` of Prometheus' HTTP API. Finch evaluates no rules, so the lists are empty; parameters are checked all
 * the same, so that a client's mistake shows before there are rules to miss.
 */
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { apiRoute, dataReply, GET } from "./api-route.ts";
import { badParameter, readSelectors, readSwitch } from "./parameters.ts";

export function ruleRoutes(): readonly HttpRoute[] {
  return [
    apiRoute(GET, "/api/v1/rules", answerRules),
    apiRoute(GET, "/api/v1/alerts", async () => dataReply({ alerts: [] })),
    apiRoute(GET, "/api/v1/alertmanagers", async () =>
      dataReply({ activeAlertmanagers: [], droppedAlertmanagers: [] }),
    ),
  ];
}

async function answerRules(request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const type = (parameters.get("type") ?? "").toLowerCase();
  if (!["", "alert", "record"].includes(type))
    throw badParameter("type", `not supported value ${JSON.stringify(type)}`);
  readSwitch(parameters, "exclude_alerts");
  readSelectors(parameters);
  const limit = readGroupLimit(parameters.get("group_limit") ?? "");
  const token = parameters.get("group_next_token") ?? "";
  if (token !== "" && limit === undefined) {
    throw badParameter(
      "group_next_token",
      "group_limit needs to be present in order to paginate over the groups",
    );
  }
  if (token !== "") {
    throw badParameter(
      "group_next_token",
      `invalid group_next_token '${token}'. were rule groups changed?`,
    );
  }
  return dataReply({ groups: [] });
}

function readGroupLimit(text: string): number | undefined {
  if (text === "") return undefined;
  if (!/^[+-]?\d{1,9}$/.test(text))
    throw badParameter("group_limit", "group_limit needs to be a valid number");
  if (Number(text) <= 0)
    throw badParameter("group_limit", "group_limit needs to be greater than 0");
  return Number(text);
}
