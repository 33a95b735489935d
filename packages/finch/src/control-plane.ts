/** The control plane within `finch up`: opened on the data directory, and what of it stands on which listener. */
import { hostname } from "node:os";
import type { Clock, Logger } from "@finch/runtime";
import type { GrpcMethod, HttpRoute } from "@finch/runtime/http";
import { auditRoutes, createRpcMethods, forwardAuthRoutes, openControl } from "@finch/control";
import type { Control, PublicAddress } from "@finch/control";
import { AgentContacts } from "@finch/control/fleet";
import type { BuildInfo } from "@finch/server";
import type { FinchConfig } from "./config-options.ts";

export interface ControlPlane extends AsyncDisposable {
  readonly control: Control;
  /** Calls of gRPC beside the web application. */
  readonly rpcMethods: readonly GrpcMethod[];
  /** For administrators, beside the web application. */
  readonly adminRoutes: readonly HttpRoute[];
  /** The same behind the gateway, which has seen the client's certificate itself. */
  readonly gatewayRpcMethods: readonly GrpcMethod[];
  /** The questions of proxies in front. */
  readonly authRoutes: readonly HttpRoute[];
  /** When agents were heard of. */
  readonly contacts: AgentContacts;
  /** The resource id of the registered agent whose token this is, who is heard of by it; rejects for every other token. */
  verifyAgentToken(token: string): Promise<string>;
  /** How agents and people reach the service. */
  publicAddress(): PublicAddress;
  /** Reads again what others may have written: the identity of the service. What is wrong with it is a fault and changes nothing. */
  reload(): Promise<void>;
}

const HTTPS_PORT = 443;

/** Opens `finch.db` and `finch.json` in the data directory. */
export async function openControlPlane(options: {
  readonly config: FinchConfig;
  readonly directory: string;
  /** Undefined while there is none. */
  readonly gateway: () => { readonly port: number; readonly isSelfSigned: boolean } | undefined;
  readonly build: BuildInfo;
  readonly clock: Clock;
  readonly log: Logger;
}): Promise<ControlPlane> {
  const { build, clock, directory } = options;
  const { service } = options.config;
  const log = options.log.child("control");
  const control = await openControl({
    directory,
    hostname: { configured: service.host?.name, fallback: hostname() },
    clock,
    log,
  });
  const publicAddress = (): PublicAddress => {
    const gateway = options.gateway();
    const port = service.host === undefined ? gateway?.port : service.host.port;
    const { hostname: name } = control.identity.current;
    const { certificate } = service;
    return {
      host: port === undefined || port === HTTPS_PORT ? name : `${name}:${port}`,
      isSelfSigned:
        certificate === "auto" ? gateway?.isSelfSigned === true : certificate === "self-signed",
    };
  };
  const rpc = {
    control,
    publicAddress,
    build: { release: build.version, commit: build.revision || "unknown" },
    log,
  };
  const stopping = new AbortController();
  const upkeep = control.upkeep(stopping.signal);
  const contacts = new AgentContacts(control.database, clock);
  const verifyAgentToken = async (token: string): Promise<string> => {
    const resourceId = await control.tokens.verifyAgentToken(token);
    contacts.note(resourceId);
    return resourceId;
  };
  return {
    control,
    contacts,
    verifyAgentToken,
    rpcMethods: createRpcMethods({
      ...rpc,
      callers: { kind: "proxies", isTrusted: service.isTrustedProxy },
    }),
    gatewayRpcMethods: createRpcMethods({ ...rpc, callers: { kind: "gateway" } }),
    adminRoutes: auditRoutes(control.audit),
    authRoutes: forwardAuthRoutes({ verifyAgentToken, refusals: control.refusals }),
    publicAddress,
    reload: () => control.identity.reload(),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await upkeep;
      control[Symbol.dispose]();
    },
  };
}
