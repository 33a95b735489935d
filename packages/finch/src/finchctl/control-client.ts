/** The methods of a service's control plane, called as this user. */
import {
  AGENT_ID,
  EMPTY_MESSAGE,
  FINCH_RPC_PATHS as PATHS,
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
import { readVersion } from "../version.ts";
import { clientIdOf } from "./client-certificate.ts";
import { GrpcClient } from "./grpc-client.ts";
import { parseServiceAddress } from "./host-address.ts";
import type { Stack } from "./stack-file.ts";

export const METHODS = {
  registerAgent: method(PATHS.registerAgent, REGISTER_AGENT_REQUEST, AGENT_ID),
  deregisterAgent: method(PATHS.deregisterAgent, AGENT_ID, EMPTY_MESSAGE),
  getAgent: method(PATHS.getAgent, AGENT_ID, GET_AGENT_RESPONSE),
  listAgents: method(PATHS.listAgents, EMPTY_MESSAGE, LIST_AGENTS_RESPONSE),
  getAgentConfig: method(PATHS.getAgentConfig, AGENT_ID, GET_AGENT_CONFIG_RESPONSE),
  updateAgent: method(PATHS.updateAgent, UPDATE_AGENT_REQUEST, EMPTY_MESSAGE),
  getServiceInfo: method(PATHS.getServiceInfo, EMPTY_MESSAGE, GET_SERVICE_INFO_RESPONSE),
  getDashboardToken: method(
    PATHS.getDashboardToken,
    GET_DASHBOARD_TOKEN_REQUEST,
    GET_DASHBOARD_TOKEN_RESPONSE,
  ),
} as const;

/** A call is answered within milliseconds; a service on its knees may take longer. */
const CALL_MS_MAX = 15_000;

/** Connects at the first call; dispose of it. */
export function openControlClient(
  stack: Stack,
  options: { readonly skipVerify: boolean },
): GrpcClient {
  return new GrpcClient({
    address: parseServiceAddress(stack.name),
    certificate: stack.certificate,
    key: stack.key,
    gatewayCertificate: stack.gatewayCertificate,
    skipVerify: options.skipVerify,
    timeoutMs: CALL_MS_MAX,
    userAgent: `${clientIdOf(stack.certificate)}/${readVersion()}`,
  });
}

function method<Request, Reply>(
  path: string,
  request: MessageCodec<Request>,
  reply: MessageCodec<Reply>,
) {
  return { path, request, reply };
}
