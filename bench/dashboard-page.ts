/** A page of panels, asked as a browser asks: at most six requests at a time to one server. */
import { Agent, request } from "node:http";

const CONNECTIONS = 6;

export interface Page {
  readonly queries: readonly string[];
  /** Unix seconds. */
  readonly start: number;
  readonly end: number;
  readonly stepSeconds: number;
}

export interface PageTimes {
  /** Until the last panel has its answer. */
  readonly wallMs: number;
  /** Of each panel, waiting for a connection included. */
  readonly panelMs: readonly number[];
}

/** Rejects when a panel is answered with anything but 200. */
export async function askTogether(url: string, page: Page): Promise<PageTimes> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const started = performance.now();
  const { start, end, stepSeconds } = page;
  try {
    const panelMs = await Promise.all(
      page.queries.map(async (query) => {
        const parameters = {
          query,
          start: String(start),
          end: String(end),
          step: String(stepSeconds),
        };
        const { status, text } = await postForm(agent, `${url}/api/v1/query_range`, parameters);
        if (status !== 200)
          throw new Error(`${query} is answered ${status}: ${text.slice(0, 300)}`);
        return performance.now() - started;
      }),
    );
    return { wallMs: performance.now() - started, panelMs };
  } finally {
    agent.destroy();
  }
}

export interface Reply {
  readonly status: number;
  readonly text: string;
}

/** A form POST, as Grafana sends queries; `limitMs` hangs up. */
export function postForm(
  agent: Agent,
  url: string,
  parameters: Readonly<Record<string, string>>,
  limitMs?: number,
): Promise<Reply> {
  const body = new URLSearchParams(parameters).toString();
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        agent,
        method: "POST",
        headers: {
          "Content-Type": "application/x-www-form-urlencoded",
          "Content-Length": Buffer.byteLength(body),
        },
      },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on("data", (chunk: Buffer) => chunks.push(chunk));
        reply.on("error", reject);
        reply.on("end", () =>
          resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      },
    );
    if (limitMs !== undefined)
      outgoing.setTimeout(limitMs, () => outgoing.destroy(new Error(`no answer in ${limitMs} ms`)));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
