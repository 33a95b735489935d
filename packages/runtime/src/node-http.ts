/**
 * node:http and node:https without what nobody here uses. Importing node:http by name reads all its exports, one of which loads the whole of
 * fetch and WebSocket (15 MB of memory); asking for the module itself does not. node:https brings TLS (8 MB), so it is loaded on first use.
 */

import type http2 from "node:http2";
import type https from "node:https";

export const { Agent, createServer, request, STATUS_CODES } = process.getBuiltinModule("node:http");

/** node:https, loaded at the first call. */
export function loadHttps(): typeof https {
  return process.getBuiltinModule("node:https");
}

/** node:http2, loaded at the first call. */
export function loadHttp2(): typeof http2 {
  return process.getBuiltinModule("node:http2");
}
