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
  /** Of each panel from its request on: the browser's own queue is not the server's. */
  readonly panelMs: readonly number[];
}

export interface Reply {
  readonly status: number;
  readonly text: string;
}

/** Rejects when a panel is answered with anything but 200. */
export async function askTogether(url: string, page: Page): Promise<PageTimes> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const started = performance.now();
  const { queries, start, end, stepSeconds } = page;
  const panelMs: number[] = [];
  let next = 0;
  const askNext = async () => {
    while (next < queries.length) {
      const query = queries[next++]!;
      const asked = performance.now();
      const times = { start: String(start), end: String(end), step: String(stepSeconds) };
      const { status, text } = await postForm(
        `${url}/api/v1/query_range`,
        { query, ...times },
        { agent },
      );
      if (status !== 200) throw new Error(`${query} is answered ${status}: ${text.slice(0, 300)}`);
      panelMs.push(performance.now() - asked);
    }
  };
  try {
    await Promise.all(Array.from({ length: CONNECTIONS }, askNext));
    return { wallMs: performance.now() - started, panelMs };
  } finally {
    agent.destroy();
  }
}

/** A form POST, as Grafana sends queries; hangs up and rejects after `limitMs`. */
export function postForm(
  url: string,
  parameters: Readonly<Record<string, string>>,
  { agent, limitMs }: { readonly agent?: Agent; readonly limitMs?: number } = {},
): Promise<Reply> {
  const body = new URLSearchParams(parameters).toString();
  const headers = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Content-Length": Buffer.byteLength(body),
  };
  const signal = limitMs === undefined ? undefined : AbortSignal.timeout(limitMs);
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, method: "POST", headers, signal }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on("data", (chunk: Buffer) => chunks.push(chunk));
      reply.on("error", reject);
      reply.on("end", () =>
        resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** The value that `share` (0 to 1) of the values do not exceed; NaN of none. */
export function quantileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
