/**
 * The services of the original Finch over gRPC: AgentService, InfoService, DashboardService (`proto/finch.proto` of `@finch/wire`), with its statuses and messages. Every
 * call needs a client's certificate, which a proxy that is trusted hands on in a header; whoever else sends that header has shown nothing.
 */
import { FinchError } from "@finch/runtime";
import type { GrpcMethod, GrpcRequest } from "@finch/runtime/http";
import {
  AGENT_ID,
  EMPTY_MESSAGE,
  FINCH_RPC_PATHS,
  GET_AGENT_CONFIG_RESPONSE,
  GET_AGENT_RESPONSE,
  GET_DASHBOARD_TOKEN_REQUEST,
  GET_DASHBOARD_TOKEN_RESPONSE,
  GET_SERVICE_INFO_RESPONSE,
  LIST_AGENTS_RESPONSE,
  REGISTER_AGENT_REQUEST,
  UPDATE_AGENT_REQUEST,
} from "@finch/wire/finch-rpc";
import type { MessageCodec } from "@finch/wire/finch-rpc";
import { generateAgentConfig } from "./agent-config.ts";
import type { Actor } from "./audit-trail.ts";
import type { ClientIdentity } from "./client-authorities.ts";
import type { Control } from "./control.ts";
import { RPC_MESSAGE_BYTES_MAX } from "./limits.ts";

export interface RpcServicesOptions {
  readonly control: Control;
  readonly callers: Callers;
  /** How agents and people reach the gateway, as of now. */
  readonly publicAddress: () => PublicAddress;
  readonly build: { readonly release: string; readonly commit: string };
}

/**
 * Who hands the calls on. The `gateway` of this process has ended the client's TLS itself, so that both the header and the peer are its word; `proxies` are others, whose
 * headers are believed by their address.
 */
export type Callers =
  | { readonly kind: "gateway" }
  | { readonly kind: "proxies"; readonly isTrusted: (address: string) => boolean };

export interface PublicAddress {
  /** `HOST` or `HOST:PORT`. */
  readonly host: string;
  /** Whether its certificate is one that agents cannot know. */
  readonly isSelfSigned: boolean;
}

/** `unprocessable` is what the original calls INTERNAL: bad input that it finds late. */
const CODES = { unprocessable: 13 } as const;
const CERTIFICATE_HEADER = "x-forwarded-tls-client-cert";

/** The methods, for the listener that serves them. */
export function createRpcMethods(options: RpcServicesOptions): readonly GrpcMethod[] {
  return [...agentMethods(options), ...serviceMethods(options)];
}

/** One method: from message to message, told who calls. */
interface Method<Request, Reply> {
  readonly request: MessageCodec<Request>;
  readonly reply: MessageCodec<Reply>;
  readonly run: (request: Request, actor: Actor) => Reply | Promise<Reply>;
}

function agentMethods(options: RpcServicesOptions): GrpcMethod[] {
  const { control, publicAddress } = options;
  const { agents, tokens } = control;
  return [
    serve(options, FINCH_RPC_PATHS.registerAgent, {
      request: REGISTER_AGENT_REQUEST,
      reply: AGENT_ID,
      run: (draft, actor) => ({ rid: agents.register(actor, draft).resourceId }),
    }),
    serve(options, FINCH_RPC_PATHS.deregisterAgent, {
      request: AGENT_ID,
      reply: EMPTY_MESSAGE,
      run: ({ rid }, actor) => {
        agents.deregister(actor, needed(rid));
        return {};
      },
    }),
    serve(options, FINCH_RPC_PATHS.getAgent, {
      request: AGENT_ID,
      reply: GET_AGENT_RESPONSE,
      run: ({ rid }) => {
        const { registeredAtMs, ...agent } = agents.get(needed(rid));
        return { ...agent, createdAt: formatTime(registeredAtMs) };
      },
    }),
    serve(options, FINCH_RPC_PATHS.listAgents, {
      request: EMPTY_MESSAGE,
      reply: LIST_AGENTS_RESPONSE,
      run: () => ({
        agents: agents.list().map(({ resourceId, hostname }) => ({ rid: resourceId, hostname })),
      }),
    }),
    serve(options, FINCH_RPC_PATHS.getAgentConfig, {
      request: AGENT_ID,
      reply: GET_AGENT_CONFIG_RESPONSE,
      run: async ({ rid }, actor) => {
        const agent = agents.get(needed(rid));
        const token = await tokens.issueAgentToken(agent.resourceId);
        control.audit.note(actor, { action: "agent.config", target: agent.resourceId });
        const config = generateAgentConfig(agent, { ...publicAddress(), token });
        return { config: Buffer.from(config) };
      },
    }),
    serve(options, FINCH_RPC_PATHS.updateAgent, {
      request: UPDATE_AGENT_REQUEST,
      reply: EMPTY_MESSAGE,
      run: ({ rid, ...settings }, actor) => {
        agents.update(actor, needed(rid), settings);
        return {};
      },
    }),
  ];
}

function serviceMethods(options: RpcServicesOptions): GrpcMethod[] {
  const { control, build, publicAddress } = options;
  return [
    serve(options, FINCH_RPC_PATHS.getServiceInfo, {
      request: EMPTY_MESSAGE,
      reply: GET_SERVICE_INFO_RESPONSE,
      run: () => {
        const { id, hostname, createdAt } = control.identity.current;
        return { id, hostname, createdAt, ...build };
      },
    }),
    serve(options, FINCH_RPC_PATHS.getDashboardToken, {
      request: GET_DASHBOARD_TOKEN_REQUEST,
      reply: GET_DASHBOARD_TOKEN_RESPONSE,
      run: async ({ sessionTimeout: seconds, role: asked, scope }, actor) => {
        const role = asked || "viewer";
        const issued = await control.tokens.issueDashboardToken({ role, scope, seconds });
        control.audit.record(actor, {
          action: "dashboard.token",
          target: "",
          details: { role, scope: scope.join(" "), expires: formatTime(issued.expiresAtMs) },
        });
        return {
          token: issued.token,
          expiresAt: formatTime(issued.expiresAtMs),
          dashboardUrl: `https://${publicAddress().host}/login`,
        };
      },
    }),
  ];
}

function serve<Request, Reply>(
  options: RpcServicesOptions,
  path: string,
  method: Method<Request, Reply>,
): GrpcMethod {
  return {
    path,
    messageBytesMax: RPC_MESSAGE_BYTES_MAX,
    messageBytesDecodedMax: RPC_MESSAGE_BYTES_MAX,
    codes: CODES,
    handle: async (request) => {
      const client = await authenticate(options, request);
      const origin = originOf(options.callers, request);
      const actor = { name: `certificate:${client.resourceId}`, origin };
      return method.reply.encode(await method.run(method.request.decode(request.message), actor));
    },
  };
}

async function authenticate(
  { control, callers }: RpcServicesOptions,
  { headers, peer }: GrpcRequest,
): Promise<ClientIdentity> {
  const header = headers[CERTIFICATE_HEADER];
  if (header !== undefined && callers.kind === "proxies" && !callers.isTrusted(peer)) {
    return await control.clientAuthorities.verify(
      `${peer}, which handed it on, is no trusted proxy`,
    );
  }
  // Node joins what comes twice; a list is no certificate.
  return await control.clientAuthorities.verifyForwarded(
    typeof header === "string" ? header : undefined,
  );
}

/** Where a call that was let in comes from: with proxies, the address that the one next to us saw. */
function originOf(callers: Callers, { headers, peer }: GrpcRequest): string {
  const forwarded = headers["x-forwarded-for"];
  if (callers.kind === "gateway" || typeof forwarded !== "string") return peer;
  return forwarded.split(",").at(-1)?.trim() ?? peer;
}

function needed(rid: string): string {
  if (rid === "") throw new FinchError("invalid", "control/no-rid", "resource ID is required");
  return rid;
}

/** RFC 3339 to the second. */
function formatTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
