/** `/api/v1/sign-in/oidc`: the way to the provider and back. Browsers walk it, so faults send them to the page to sign in on, and stand in the log. */
import { FinchError } from "@finch/runtime";
import type { Logger } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { OidcSignIn } from "../oidc/oidc-sign-in.ts";
import { formatCookie, readCookie } from "./cookies.ts";
import { apiRoute, sessionCookie } from "./session-routes.ts";
import type { SignInContext, SignInProvider } from "./session-routes.ts";

const PATH = "/api/v1/sign-in/oidc";
const CALLBACK = `${PATH}/callback`;
/** A person types a password at the provider meanwhile. */
const WAY_SECONDS_MAX = 600;

export function oidcProvider({ options }: OidcSignIn): SignInProvider {
  return { name: options.name, path: PATH };
}

export function oidcRoutes(
  context: Omit<SignInContext, "providers">,
  oidc: OidcSignIn,
  log: Logger,
): readonly HttpRoute[] {
  const { guard } = context;
  const walk = async (step: () => Promise<HttpReply>): Promise<HttpReply> => {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      log.warn("sign-in with the provider failed", { code: error.code, error: error.message });
      return redirect(`/?sign-in=${RETURNS[error.code] ?? "failed"}`);
    }
  };
  return [
    apiRoute("GET", PATH, "open", (request) =>
      walk(async () => {
        const target = request.query.get("to") ?? "/";
        const { url, cookie } = await oidc.begin(target, callbackOf(context, request));
        const isTls = guard.isTls(request);
        const kept = { isTls, maxAgeSeconds: WAY_SECONDS_MAX };
        return redirect(url.href, formatCookie(cookieName(isTls), cookie, kept));
      }),
    ),
    apiRoute("GET", CALLBACK, "open", (request) =>
      walk(async () => {
        const name = cookieName(guard.isTls(request));
        const cookie = readCookie(request.header("cookie"), name) ?? "";
        const answer = callbackOf(context, request);
        answer.search = request.query.toString();
        const origin = guard.originOf(request);
        const { signedIn, target } = await oidc.finish(cookie, answer, origin);
        return redirect(target, sessionCookie(context, request, signedIn.token));
      }),
    ),
  ];
}

/** Words for the page to sign in on. */
const RETURNS: Readonly<Record<string, string>> = {
  "control/oidc-refused": "refused",
  "control/oidc-unknown": "unknown",
  // Somebody whom an administrator has locked out.
  "control/bad-credentials": "unknown",
};

function cookieName(isTls: boolean): string {
  return isTls ? "__Host-finch_oidc" : "finch_oidc";
}

/** Our own address, which the provider compares with those it was told. */
function callbackOf({ guard }: Pick<SignInContext, "guard">, request: HttpRequest): URL {
  const scheme = guard.isTls(request) ? "https" : "http";
  const host = guard.placeOf(request).hostOf(request);
  try {
    return new URL(CALLBACK, `${scheme}://${host}`);
  } catch (error) {
    throw new FinchError("invalid", "control/oidc-failed", "the request has no good Host header", {
      cause: error,
    });
  }
}

function redirect(location: string, cookie?: string): HttpReply {
  return {
    status: 302,
    headers: { location, ...(cookie !== undefined && { "set-cookie": cookie }) },
    body: "",
  };
}
