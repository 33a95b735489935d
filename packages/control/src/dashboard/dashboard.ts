/**
 * The dashboard, for its own listener: `/login`, `/logout`, `/dashboard` and what is below it, and `/ws` which keeps a page up to date. Role and scope of the token
 * are looked at here at each request; what a page leaves out is for comfort alone.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import type { HttpMethod, HttpReply, HttpRequest, HttpRoute, Route } from "@finch/runtime/http";
import type { Actor } from "../audit-trail.ts";
import type { CollectorView } from "../fleet/collector-view.ts";
import type { DashboardClaims, IssuedToken } from "../tokens.ts";
import {
  countAgents,
  isInScope,
  mayDownloadConfig,
  mayShowToken,
  pageOfAgents,
  readAgentQuery,
  showAgent,
} from "./dashboard-agents.ts";
import type { AgentQuery, DashboardAgent, ShownAgent } from "./dashboard-agents.ts";
import { dashboardPage, tokenPage, tokenPart } from "./dashboard-page.ts";
import type { DashboardContent } from "./dashboard-page.ts";
import { DashboardSession, isOwnOrigin } from "./dashboard-session.ts";
import { liveRoute } from "./live-route.ts";
import { isLoginFault, loginPage } from "./login-page.ts";
import type { Page } from "./page-shell.ts";

export interface DashboardOptions {
  readonly clock: Clock;
  readonly build: { readonly release: string; readonly commit: string };
  /** The name by which browsers reach the service, as of now. */
  readonly hostname: () => string;
  /** The same with the port, where there is one. */
  readonly publicHost: () => string;
  /** Rejects for a token that is not in force. */
  readonly verify: (token: string) => Promise<DashboardClaims>;
  readonly agents: () => readonly DashboardAgent[];
  readonly collectors: () => readonly CollectorView[];
  /** When an agent was heard of last; undefined: never. */
  readonly lastContactMs: (resourceId: string) => number | undefined;
  /** A new token of an agent; told to the audit trail by whoever gives it. */
  readonly issueToken: (actor: Actor, agent: DashboardAgent) => Promise<IssuedToken>;
  /** The Alloy configuration of an agent, likewise. */
  readonly generateConfig: (actor: Actor, agent: DashboardAgent) => Promise<string>;
  /** Calls `watcher` after each change of agents or collectors, until what it returns is called. */
  readonly watch: (watcher: () => void) => () => void;
}

export class Dashboard {
  readonly routes: readonly Route[];
  readonly #options: DashboardOptions;
  readonly #session: DashboardSession;

  constructor(options: DashboardOptions) {
    this.#options = options;
    this.#session = new DashboardSession(options);
    this.routes = [
      this.#route(["GET"], "/", async (request) => this.#session.redirect(request, "/dashboard")),
      this.#route(["GET", "POST"], "/login", (request) => this.#login(request)),
      this.#route(["POST"], "/logout", async (request) => this.#logout(request)),
      this.#route(["GET"], "/dashboard", (request) => this.#showAgents(request)),
      this.#route(["GET"], "/dashboard/agents/:rid/config", (request) => this.#giveConfig(request)),
      this.#route(["POST"], "/dashboard/agents/:rid/token", (request) => this.#giveToken(request)),
      ...ASSETS.map(([name, type]) => this.#asset(name, type)),
      liveRoute({
        session: this.#session,
        clock: options.clock,
        isOwnOrigin: (request) => isOwnOrigin(request, options.hostname()),
        content: (claims, query) => this.#content(claims, query),
        watch: options.watch,
      }),
    ];
  }

  async #login(request: HttpRequest): Promise<HttpReply> {
    if (request.method === "POST") this.#refuseForeign(request);
    const parameters = await request.readParameters();
    const token = (parameters.get("token") ?? "").trim();
    const error = parameters.get("error");
    if (token === "")
      return this.#session.page(
        request,
        loginPage(this.#about(), isLoginFault(error) ? error : undefined),
      );
    if ((await this.#session.check(token)) === undefined)
      return this.#session.page(request, loginPage(this.#about(), "invalid"), 401);
    return this.#session.redirect(request, "/dashboard", token);
  }

  #logout(request: HttpRequest): HttpReply {
    this.#refuseForeign(request);
    return this.#session.redirect(request, "/login", null);
  }

  async #showAgents(request: HttpRequest): Promise<HttpReply> {
    const session = await this.#session.of(request);
    if (session === undefined) return this.#session.redirect(request, "/login", null);
    const content = this.#content(session.claims, readAgentQuery(request.query));
    return this.#session.page(request, dashboardPage(this.#about(), content));
  }

  async #giveConfig(request: HttpRequest): Promise<HttpReply> {
    const { agent, actor } = await this.#agentFor(request, mayDownloadConfig);
    const text = await this.#options.generateConfig(actor, agent);
    const filename = `alloy-${agent.resourceId.replaceAll(/[^A-Za-z0-9:._-]/g, "_")}.cfg`;
    return this.#session.reply(request, {
      status: 200,
      headers: {
        "content-type": "text/plain; charset=utf-8",
        "content-disposition": `attachment; filename="${filename}"`,
      },
      body: text,
    });
  }

  /** The whole page, or for the script the part of its dialog. */
  async #giveToken(request: HttpRequest): Promise<HttpReply> {
    this.#refuseForeign(request);
    const { agent, actor, claims } = await this.#agentFor(request, mayShowToken);
    const token = await this.#options.issueToken(actor, agent);
    const page =
      request.query.get("part") === "1"
        ? tokenPart(token)
        : tokenPage(this.#about(), { agent, token, claims });
    return this.#session.page(request, page);
  }

  /** The agent of the address, for who may; one outside of the scope is not there. */
  async #agentFor(
    request: HttpRequest,
    may: (claims: DashboardClaims) => boolean,
  ): Promise<{
    readonly agent: DashboardAgent;
    readonly actor: Actor;
    readonly claims: DashboardClaims;
  }> {
    const session = await this.#session.of(request);
    if (session === undefined)
      throw new FinchError(
        "unauthenticated",
        "control/no-dashboard-session",
        "sign in at /login with a token of finchctl service dashboard",
      );
    const { claims } = session;
    if (!may(claims))
      throw new FinchError(
        "forbidden",
        "control/dashboard-role",
        `the role ${claims.role} may not do this; ask for a token with another role`,
      );
    const agent = this.#options
      .agents()
      .find((one) => one.resourceId === request.params["rid"] && isInScope(claims, one));
    if (agent === undefined)
      throw new FinchError("not-found", "control/no-agent", "agent not found");
    return { agent, claims, actor: { name: `dashboard:${claims.role}`, origin: request.peer } };
  }

  /** Browsers send `Origin` with each form; programs that do not are no page of somebody else. */
  #refuseForeign(request: HttpRequest): void {
    if (request.header("origin") === "") return;
    if (isOwnOrigin(request, this.#options.hostname())) return;
    throw new FinchError(
      "forbidden",
      "control/foreign-page",
      "a page of another site may not do this",
    );
  }

  #content(claims: DashboardClaims, query: AgentQuery): DashboardContent {
    const agents = this.#shownAgents(claims);
    return { counts: countAgents(agents), page: pageOfAgents(agents, query), claims };
  }

  #shownAgents(claims: DashboardClaims): readonly ShownAgent[] {
    const { agents, collectors, lastContactMs, clock } = this.#options;
    const byAgent = Map.groupBy(collectors(), ({ resourceId }) => resourceId);
    const nowMs = clock.nowMs();
    return agents()
      .filter((agent) => isInScope(claims, agent))
      .map((agent) =>
        showAgent(agent, {
          collectors: byAgent.get(agent.resourceId) ?? [],
          lastContactMs: lastContactMs(agent.resourceId),
          nowMs,
        }),
      );
  }

  #about(): Page["about"] {
    const { hostname, publicHost, build } = this.#options;
    return { hostname: hostname(), publicHost: publicHost(), ...build };
  }

  #asset(name: string, type: string): HttpRoute {
    return this.#route(["GET"], `/dashboard/assets/${name}`, async (request) =>
      this.#session.reply(request, {
        status: 200,
        headers: { "content-type": type, "cache-control": "no-cache" },
        body: await readFile(join(import.meta.dirname, "assets", name)),
      }),
    );
  }

  #route(
    methods: readonly HttpMethod[],
    path: string,
    handle: (request: HttpRequest) => Promise<HttpReply>,
  ): HttpRoute {
    return { kind: "http", methods, path, faults: "text", handle };
  }
}

const ASSETS = [
  ["dashboard.css", "text/css; charset=utf-8"],
  ["dashboard.js", "text/javascript; charset=utf-8"],
  ["finch.svg", "image/svg+xml"],
  ["lock.svg", "image/svg+xml"],
] as const;
