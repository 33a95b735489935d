/**
 * The `http` block: who may ask the agent's own listener, and its TLS. The host of the agent opens the listener: it asks {@link AgentHttp.admit}
 * before each request, and opens the listener anew when {@link AgentHttp.tls} has changed.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { describeError, FinchError } from "@finch/runtime";
import type { HttpReply, ListenerTls } from "@finch/runtime/http";
import { defineComponent } from "../component.ts";
import type { ComponentContext, ComponentDefinition } from "../component.ts";
import { serverTls } from "../http-server.ts";
import { untilAborted, unlessAborted } from "../until-aborted.ts";
import {
  CIPHERS,
  CURVES,
  HTTP_BLOCK_ARGUMENTS,
  httpBlockFault,
  TLS_VERSIONS,
} from "./http-schema.ts";
import type { HttpBlockArguments, HttpTlsArguments } from "./http-schema.ts";

/** How often certificates in files are looked at: those who renew them tell nobody. */
const CERTIFICATE_POLL_MS = 60_000;

type Auth = NonNullable<HttpBlockArguments["auth"]>;

/** `open`: there is no such block; `waiting`: there is one, and what it says is not known yet, so nobody is let in. */
type State =
  | { readonly kind: "open" }
  | { readonly kind: "waiting" }
  | {
      readonly kind: "ruled";
      readonly auth: Auth | undefined;
      readonly tls: ListenerTls | undefined;
    };

/** What the listener of an agent is to do. */
export class AgentHttp {
  #state: State = { kind: "open" };
  /** PEM texts that the TLS of now was made of. */
  #tlsKey = "";
  #tlsChanged = Promise.withResolvers<void>();

  /** Answers in place of the route when a request is not let in. */
  admit(message: Pick<IncomingMessage, "headers" | "url">): HttpReply | undefined {
    if (this.#state.kind === "open") return undefined;
    if (this.#state.kind === "waiting")
      throw new FinchError(
        "unavailable",
        "agent/http-waiting",
        "the http block of the configuration is not evaluated yet",
        { retryAfterSeconds: 5 },
      );
    const { auth } = this.#state;
    if (auth?.basic === undefined || !isAsked(auth, message.url ?? "/")) return undefined;
    return isPassword(auth.basic, message.headers.authorization) ? undefined : UNAUTHORIZED;
  }

  /** Undefined: plain HTTP. */
  tls(): ListenerTls | undefined {
    return this.#state.kind === "ruled" ? this.#state.tls : undefined;
  }

  /** Resolves when {@link AgentHttp.tls} has changed since the last call resolved; rejects when `signal` aborts. */
  async tlsChanged(signal: AbortSignal): Promise<void> {
    await unlessAborted(this.#tlsChanged.promise, signal);
    this.#tlsChanged = Promise.withResolvers();
  }

  /** Told at each load whether there is an `http` block. */
  expect(isWritten: boolean): void {
    if (!isWritten) this.#become({ kind: "open" }, "");
    else if (this.#state.kind === "open") this.#become({ kind: "waiting" }, "");
  }

  set(auth: Auth | undefined, tls: ListenerTls | undefined): void {
    this.#become(
      { kind: "ruled", auth, tls },
      tls === undefined ? "" : JSON.stringify(tls.options),
    );
  }

  #become(state: State, tlsKey: string): void {
    this.#state = state;
    if (tlsKey === this.#tlsKey) return;
    this.#tlsKey = tlsKey;
    this.#tlsChanged.resolve();
  }
}

const UNAUTHORIZED: HttpReply = {
  status: 401,
  headers: { "www-authenticate": 'Basic realm="Restricted"', "content-type": "text/plain" },
  body: "401 unauthorized\n",
};

function isAsked({ filter }: Auth, url: string): boolean {
  if (filter === undefined) return true;
  const path = pathOf(url);
  const isMatched = filter.paths.some((start) => path.startsWith(start));
  return filter.authenticate_matching_paths === isMatched;
}

/** As routes are found by it: percent-encoding cannot hide a path from the filter. */
function pathOf(url: string): string {
  const { pathname } = URL.parse(url, "http://agent") ?? { pathname: url };
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}

function isPassword(basic: NonNullable<Auth["basic"]>, header: string | undefined): boolean {
  const encoded = /^basic +(.*)$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return false;
  const given = Buffer.from(encoded, "base64");
  const expected = Buffer.from(`${basic.username}:${basic.password.reveal()}`);
  // Hashes have one length, so that the comparison tells nothing of that of the password.
  const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
  return timingSafeEqual(hash(given), hash(expected));
}

/** The declaration of the `http` block. `servesTls`: whether the host can open the listener with TLS. */
export function defineHttp(
  http: Pick<AgentHttp, "set">,
  { servesTls }: { readonly servesTls: boolean },
): ComponentDefinition {
  return defineComponent({
    name: "http",
    stability: "generally-available",
    summary: "Passwords and TLS of the agent's own listener.",
    arguments: HTTP_BLOCK_ARGUMENTS,
    exports: {},
    check: (values) =>
      values.tls !== undefined && !servesTls
        ? {
            at: "tls",
            message: "not supported yet: TLS on the agent listener of finch up",
          }
        : httpBlockFault(values),
    run: (context, signal) =>
      untilAborted(signal, async () => {
        const next = context.nextArguments(signal);
        next.catch(() => {});
        await apply(context, http, signal);
        const { tls } = context.arguments();
        const isInFiles = tls !== undefined && [tls.cert_file, tls.key_file].some(Boolean);
        await (isInFiles
          ? Promise.race([next, context.clock.sleep(CERTIFICATE_POLL_MS, signal)])
          : next);
      }),
  });
}

/** Certificates that cannot be used leave what holds now; at the start, that is to let nobody in. */
async function apply(
  context: ComponentContext<HttpBlockArguments, object>,
  http: Pick<AgentHttp, "set">,
  signal: AbortSignal,
): Promise<void> {
  const { auth, tls } = context.arguments();
  try {
    const loaded = tls === undefined ? undefined : await loadTls(tls);
    // Whoever took the block out meanwhile has said what holds now.
    signal.throwIfAborted();
    http.set(auth, loaded);
    context.setHealth("healthy", "");
  } catch (error) {
    signal.throwIfAborted();
    context.setHealth("unhealthy", `cannot serve TLS: ${describeError(error)}`);
    context.log.error("the http block is not applied", { error: describeError(error) });
  }
}

async function loadTls(values: HttpTlsArguments): Promise<ListenerTls> {
  const tls = await serverTls(values);
  const { min_version: min, max_version: max } = values;
  const ciphers = values.cipher_suites.map((name) => CIPHERS[name]!);
  const curves = values.curve_preferences.map((name) => CURVES[name]!);
  const options = {
    ...tls.options,
    ...(min && { minVersion: TLS_VERSIONS[min]! }),
    ...(max && { maxVersion: TLS_VERSIONS[max]! }),
    ...(ciphers.length > 0 && { ciphers: ciphers.join(":") }),
    ...(curves.length > 0 && { ecdhCurve: curves.join(":") }),
  };
  // Throws for what is no certificate, or a key of another one.
  process.getBuiltinModule("node:tls").createSecureContext(options);
  return { ...tls, options };
}
