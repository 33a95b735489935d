/** Routes of the pages for people, and of what keeps them up to date: event streams, and parts that are drawn anew. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FinchError } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute, Route } from "@finch/runtime/http";
import type { Agent } from "../runtime/agent.ts";
import { componentPage } from "./component-page.ts";
import { droppedPage, dropTable } from "./dropped-page.ts";
import { refuseForeignHost } from "./foreign-host.ts";
import { graphPage } from "./graph-page.ts";
import { watchGraph } from "./graph-rates.ts";

const SCRIPT = join(import.meta.dirname, "agent.js");

/** Nothing is loaded from elsewhere, and nothing elsewhere is asked. */
const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};

export function pageRoutes(agent: Agent): readonly Route[] {
  const get = (
    path: string,
    answer: (request: HttpRequest, rest: string) => HttpReply | Promise<HttpReply>,
  ): HttpRoute => ({
    kind: "http",
    methods: ["GET"],
    path,
    faults: "text",
    handle: async (request) => answer(request, request.params["*"] ?? ""),
  });
  return [
    get("/", () => page(found(graphPage(agent, ""), ""))),
    get("/graph/*", (_, id) => page(found(graphPage(agent, id), id))),
    get("/component/*", (_, id) => page(componentPage(agent, found(agent.component(id), id)))),
    get("/dropped", () => page(droppedPage(agent))),
    get("/assets/agent.js", async () => ({
      status: 200,
      headers: { "content-type": "text/javascript; charset=utf-8", "cache-control": "no-cache" },
      body: await readFile(SCRIPT),
    })),
    get("/live/graph/*", (request, id) => {
      found(agent.flowGraph(id), id);
      return events(watchGraph(agent, id, request.signal));
    }),
    get("/live/component/*", (request, id) => {
      refuseForeignHost(request);
      found(agent.component(id), id);
      return events(agent.live.watch(id, request.signal));
    }),
    get("/live/dropped", (request) => {
      refuseForeignHost(request);
      return events(agent.live.watchDrops(request.signal));
    }),
    get("/live/dropped-table", () => page(dropTable(agent))),
    get("/live/dropped-table/*", (_, id) => page(dropTable(agent, id))),
  ];
}

function page(body: string): HttpReply {
  return { status: 200, headers: PAGE_HEADERS, body };
}

function found<Thing>(thing: Thing | undefined, id: string): Thing {
  if (thing !== undefined) return thing;
  throw new FinchError(
    "not-found",
    "agent/no-component",
    `no component or module ${JSON.stringify(id)}; /api/v0/web/components lists all`,
  );
}

/** A stream of server-sent events. Asking for the next event is the back-pressure. */
function events(states: AsyncIterable<unknown>): HttpReply {
  return {
    status: 200,
    headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
    body: encodeEvents(states),
    compress: false,
  };
}

async function* encodeEvents(states: AsyncIterable<unknown>): AsyncGenerator<string> {
  yield ": live\n\n";
  for await (const state of states) yield `data: ${JSON.stringify(state)}\n\n`;
}
