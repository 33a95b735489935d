/** Replays recorded remote-write requests, as a Prometheus with two shards would: what belongs to one interval is answered before the next begins. */
import { Agent, request } from "node:http";
import type { RecordedRequest } from "./traffic-recording.ts";

const SHARDS = 2;
const TRIES_MAX = 100;
const RETRY_MS = 100;
const HEADERS = {
  "Content-Encoding": "snappy",
  "Content-Type": "application/x-protobuf",
  "User-Agent": "Prometheus/2.42.0",
  "X-Prometheus-Remote-Write-Version": "0.1.0",
};

export interface SendResult {
  readonly samples: number;
  readonly requests: number;
  /** Answers 429 or 5xx that were sent again, and connections the server closed. */
  readonly retries: number;
  readonly wallSeconds: number;
}

export interface SendOptions {
  readonly url: string;
  readonly signal?: AbortSignal;
  /** Called when an interval has been answered. */
  readonly onInterval?: (interval: number) => void | Promise<void>;
}

/** Throws on an answer that is final and not 2xx. */
export async function sendTraffic(
  intervals: Iterable<readonly RecordedRequest[]>,
  options: SendOptions,
): Promise<SendResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: SHARDS });
  const started = performance.now();
  let [samples, requests, retries, interval] = [0, 0, 0, 0];
  try {
    for (const list of intervals) {
      let next = 0;
      const shard = async () => {
        while (next < list.length) {
          options.signal?.throwIfAborted();
          const { body, samples: count } = list[next++]!;
          retries += await sendUntilTaken(agent, options.url, body);
          samples += count;
          requests++;
        }
      };
      await Promise.all(Array.from({ length: SHARDS }, shard));
      await options.onInterval?.(interval++);
    }
  } finally {
    agent.destroy();
  }
  return { samples, requests, retries, wallSeconds: (performance.now() - started) / 1000 };
}

/** Returns how often it had to be sent again. */
async function sendUntilTaken(agent: Agent, url: string, body: Uint8Array): Promise<number> {
  for (let tries = 0; ; tries++) {
    const { status, text, retryAfterMs } = await post(agent, url, body);
    if (status >= 200 && status < 300) return tries;
    const isFinal = status !== 0 && status !== 429 && status < 500;
    if (isFinal || tries >= TRIES_MAX)
      throw new Error(`${url} answered ${status} after ${tries} tries: ${text.slice(0, 300)}`);
    await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
  }
}

interface Answer {
  /** 0 when the connection broke. */
  readonly status: number;
  readonly text: string;
  readonly retryAfterMs: number;
}

function post(agent: Agent, url: string, body: Uint8Array): Promise<Answer> {
  return new Promise((resolve) => {
    const outgoing = request(
      `${url}/api/v1/write`,
      { agent, method: "POST", headers: { ...HEADERS, "Content-Length": body.length } },
      (reply) => {
        let text = "";
        reply.setEncoding("utf8");
        reply.on("data", (chunk: string) => (text += chunk));
        reply.on("error", (error) => resolve({ status: 0, text: error.message, retryAfterMs: 0 }));
        const seconds = Number(reply.headers["retry-after"]);
        reply.on("end", () =>
          resolve({
            status: reply.statusCode ?? 0,
            text,
            retryAfterMs: seconds > 0 ? seconds * 1000 : RETRY_MS,
          }),
        );
      },
    );
    // A server may close a kept connection just when it is used again.
    outgoing.on("error", (error) => resolve({ status: 0, text: error.message, retryAfterMs: 0 }));
    outgoing.end(body);
  });
}
