/**
 * `GET /auth`: the question of a proxy whether to let a request of an agent through, by the agent's token. 200 or 401 with an empty body, as the original Finch answers
 * Traefik's ForwardAuth, Caddy's `forward_auth` and nginx' `auth_request`. Who the agent is stands in a header of the answer, for the proxy to hand on.
 */
import { FinchError } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { Refusals } from "./refusals.ts";
import type { Tokens } from "./tokens.ts";

/** Methods that a proxy may hand on; the question is the same. */
const METHODS = ["GET", "POST", "PUT", "DELETE"] as const;

export function forwardAuthRoutes(options: {
  readonly verifyAgentToken: Tokens["verifyAgentToken"];
  readonly refusals: Refusals;
}): readonly HttpRoute[] {
  const { verifyAgentToken, refusals } = options;
  const handle = async (request: HttpRequest): Promise<HttpReply> => {
    const token = bearerToken(request.header("authorization"));
    if (token === undefined) return REFUSED;
    try {
      const resourceId = await verifyAgentToken(token);
      return { status: 200, headers: { "x-finch-agent": resourceId }, body: "" };
    } catch (error) {
      if (!(error instanceof FinchError) || error.kind !== "unauthenticated") throw error;
      refusals.record("token", { reason: error.message, peer: request.peer });
      return REFUSED;
    }
  };
  return [{ kind: "http", methods: METHODS, path: "/auth", faults: "text", handle }];
}

const REFUSED: HttpReply = { status: 401, headers: { "www-authenticate": "Bearer" }, body: "" };

/** What follows `Bearer`, or undefined. */
function bearerToken(authorization: string): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1];
}
