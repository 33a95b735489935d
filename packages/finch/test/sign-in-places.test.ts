/** Whom a listener asks, by where a request comes from: as its routes are protected in `finch up`. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openControl } from "@finch/control";
import { FinchError, silentLogger, systemClock } from "@finch/runtime";
import { textReply } from "@finch/runtime/http";
import type { HttpRequest, HttpRoute, RouteAccess } from "@finch/runtime/http";
import { parseConfig } from "../src/config.ts";
import { createSignIn } from "../src/sign-in.ts";

interface Asker {
  readonly peer: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function requestOf({ peer, headers = {} }: Asker): HttpRequest {
  const header = (name: string) => headers[name] ?? "";
  return { method: "GET", peer, headers, header } as unknown as HttpRequest;
}

const route = (access: RouteAccess): HttpRoute => ({
  kind: "http",
  methods: ["GET"],
  path: "/",
  faults: "json",
  access,
  handle: async () => textReply(200, ""),
});

const PROXIED = { "x-forwarded-for": "192.0.2.7" };
const HERE: Asker = { peer: "127.0.0.1" };
const BY_PROXY: Asker = { peer: "127.0.0.1", headers: PROXIED };
const ELSEWHERE: Asker = { peer: "192.0.2.7" };
const OWN: Asker = { peer: "10.0.0.5" };
const BEARER: Asker = { ...ELSEWHERE, headers: { authorization: "Bearer an.agent.token" } };
const FOREIGN: Asker = { ...ELSEWHERE, headers: { authorization: "Bearer a.foreign.token" } };
const AGENT: Asker = { ...ELSEWHERE, headers: { ...PROXIED, "x-finch-agent": "rid:1" } };

test("who is asked where", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "finch-places-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const about = { clock: systemClock, log: silentLogger };
  const hostname = { configured: undefined, fallback: "finch.test" };
  using control = await openControl({ directory, hostname, ...about });
  const signInWith = async (flags: Record<string, string>) => {
    const config = parseConfig({ file: undefined, env: {}, flags });
    const verifyAgentToken = async (token: string) => {
      if (token === "an.agent.token") return "rid:1";
      throw new FinchError("unauthenticated", "control/bad-token", "it is no agent's");
    };
    return await createSignIn({ config, control, verifyAgentToken, ...about });
  };
  const open = async (flags: Record<string, string>) => {
    const signIn = await signInWith(flags);
    return (name: "ui" | "loki" | "otlp_http" | "gateway", access: RouteAccess) =>
      async (asker: Asker) => {
        const routes = [route(access)];
        const inner = signIn.protect(name === "gateway" ? "loki" : name, routes);
        const [found] = name === "gateway" ? signIn.protectBehindGateway(inner) : inner;
        try {
          await (found as HttpRoute).handle(requestOf(asker));
          return "let through";
        } catch (error) {
          return (error as { readonly code: string }).code;
        }
      };
  };
  const openCall = async (flags: Record<string, string>) => {
    const method = { path: "/x/Export", messageBytesMax: 1, messageBytesDecodedMax: 1 };
    const handle = async () => new Uint8Array();
    const [call] = (await signInWith(flags)).protectCalls([{ ...method, handle }]);
    return async ({ peer, headers = {} }: Asker) => {
      const { signal } = new AbortController();
      try {
        await call!.handle({ message: new Uint8Array(), headers, peer, signal });
        return "let through";
      } catch (error) {
        return (error as { readonly code: string }).code;
      }
    };
  };
  const autoCall = await openCall({});
  const onCall = await openCall({ "sign_in.required": "on" });
  const auto = await open({});
  const on = await open({ "sign_in.required": "on", "listen.loki": "10.0.0.5:3100" });
  const off = await open({ "sign_in.required": "off", "listen.loki": "0.0.0.0:3100" });
  const asked = "control/sign-in-needed";
  for (const [why, ask, expected] of [
    ["auto, here", auto("ui", "read")(HERE), "let through"],
    ["auto, by a proxy", auto("ui", "read")(BY_PROXY), asked],
    ["auto, an API by Grafana as a proxy", auto("loki", "read")(BY_PROXY), "let through"],
    ["auto, an API by a gateway that hands it on", auto("loki", "read")(ELSEWHERE), asked],
    ["auto, sending", auto("loki", "write")(ELSEWHERE), "let through"],
    ["on, here", on("loki", "read")(HERE), asked],
    ["on, sending here", on("loki", "write")(HERE), "let through"],
    ["on, sending to the listener's own address", on("loki", "write")(OWN), "let through"],
    ["on, sending from elsewhere", on("loki", "write")(ELSEWHERE), asked],
    ["on, an agent that sends from elsewhere", on("loki", "write")(BEARER), "let through"],
    ["on, an agent that reads", on("loki", "read")(BEARER), asked],
    ["on, somebody with another token", on("loki", "write")(FOREIGN), asked],
    ["on, sending by OTLP from elsewhere", on("otlp_http", "write")(ELSEWHERE), asked],
    ["on, an agent that sends by OTLP", on("otlp_http", "write")(BEARER), "let through"],
    ["on, a call from elsewhere", onCall(ELSEWHERE), "finch/no-sender-token"],
    ["on, a call with another token", onCall(FOREIGN), "finch/no-sender-token"],
    ["on, a call of an agent", onCall(BEARER), "let through"],
    ["on, a call from here", onCall(HERE), "let through"],
    ["auto, a call from elsewhere", autoCall(ELSEWHERE), "let through"],
    ["off, from elsewhere", off("loki", "admin")(ELSEWHERE), "let through"],
    ["gateway, reading", auto("gateway", "read")(HERE), asked],
    ["gateway, an agent that sends", on("gateway", "write")(AGENT), "let through"],
    ["gateway, somebody who sends", auto("gateway", "write")(ELSEWHERE), asked],
    ["gateway, an agent that reads", auto("gateway", "read")(AGENT), asked],
    ["gateway, off", off("gateway", "read")(ELSEWHERE), "let through"],
  ] as const)
    assert.equal(await ask, expected, why);
});
