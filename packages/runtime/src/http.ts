/**
 * The HTTP kit, as `@finch/runtime/http`: a subpath of its own, because it needs node:http, and browsers and the query languages import
 * `@finch/runtime` for its errors alone.
 */
export { openDispatcher } from "./http-dispatcher.ts";
export type { Dispatcher, DispatcherOptions } from "./http-dispatcher.ts";
export { GRPC_CODES } from "./grpc-types.ts";
export type { GrpcMethod, GrpcRequest } from "./grpc-types.ts";
export { faultReply, toFault } from "./http-faults.ts";
export type { HttpFaultStyle } from "./http-faults.ts";
export { DEFAULT_HTTP_LIMITS } from "./http-limits.ts";
export type { HttpLimits } from "./http-limits.ts";
export { bindFault, openListener } from "./http-listener.ts";
export type { Listener, ListenerOptions, ListenerSetting, ListenerTls } from "./http-listener.ts";
export { acceptedCoding } from "./http-reply.ts";
export { jsonReply, textReply, underPrefix, withAccess } from "./http-types.ts";
export type {
  HttpBody,
  HttpFaultWriter,
  HttpHandler,
  HttpMethod,
  HttpReply,
  HttpRequest,
  HttpRoute,
  HttpWebSocket,
  Route,
  RouteAccess,
  WebSocketRoute,
} from "./http-types.ts";
export { Agent, createServer, loadHttp2, loadHttps, request, STATUS_CODES } from "./node-http.ts";
