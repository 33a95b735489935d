/** The loop of one profile of one target: waits for its turn, asks, makes the difference where profiles count up, forwards. */
import { describeError, FinchError } from "@finch/runtime";
import { decompressBody, PprofDelta, type CountedType } from "@finch/wire";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { ComponentContext } from "../../component.ts";
import type { HttpClient } from "../../http-client.ts";
import type { ProfilesReceiver } from "../../receivers.ts";
import type { ScrapedTarget } from "../../scrape-pool.ts";
import { delayUntilNext } from "../prometheus/scrape-target.ts";
import { fanOut } from "./fan-out.ts";
import type { ProfileTarget } from "./scrape-target.ts";

/** Of a profile as it is sent, and decompressed. */
const PROFILE_BYTES_MAX = 64 << 20;
const gzipBytes = promisify(gzip);

const WAITS: readonly CountedType[] = [
  { type: "contentions", unit: "count" },
  { type: "delay", unit: "nanoseconds" },
];
/** What of the profiles of Go counts since the program began, by `__name__`. */
const COUNTED: Readonly<Record<string, readonly CountedType[]>> = {
  memory: [
    { type: "alloc_objects", unit: "count" },
    { type: "alloc_space", unit: "bytes" },
  ],
  mutex: WAITS,
  block: WAITS,
};

export type ScrapeContext = Pick<
  ComponentContext<unknown, object>,
  "clock" | "log" | "metrics" | "setHealth" | "drops"
>;

export interface LoopOptions {
  readonly target: ProfileTarget;
  readonly client: HttpClient;
  readonly receivers: readonly ProfilesReceiver[];
  readonly context: ScrapeContext;
}

export class ProfileLoop {
  readonly #options: LoopOptions;
  readonly #delta: PprofDelta | undefined;
  #last: Pick<ScrapedTarget, "lastError" | "lastScrapeMs" | "lastDurationMs"> = {
    lastError: "",
    lastScrapeMs: undefined,
    lastDurationMs: 0,
  };

  constructor(options: LoopOptions) {
    this.#options = options;
    const { kind, labels } = options.target;
    const name = labels.get("__name__");
    const counted = Object.hasOwn(COUNTED, name) ? COUNTED[name] : undefined;
    this.#delta = counted === undefined || kind.isDifference ? undefined : new PprofDelta(counted);
  }

  report(): ScrapedTarget {
    const { discoveredLabels, labels, url, intervalMs, timeoutMs } = this.#options.target;
    const last = this.#last;
    return {
      discoveredLabels,
      labels,
      url,
      health: last.lastScrapeMs === undefined ? "unknown" : last.lastError === "" ? "up" : "down",
      ...last,
      intervalMs,
      timeoutMs,
      metadata: [],
    };
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { target, context } = this.#options;
    const { clock } = context;
    try {
      let nextMs = clock.nowMs() + delayUntilNext(target, clock.nowMs());
      while (!signal.aborted) {
        await clock.sleep(Math.max(0, nextMs - clock.nowMs()), signal);
        await this.#scrape(signal);
        do nextMs += target.intervalMs;
        while (nextMs <= clock.nowMs());
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #scrape(signal: AbortSignal): Promise<void> {
    const { context, target } = this.#options;
    const lastScrapeMs = context.clock.nowMs();
    const startMs = context.clock.monotonicMs();
    let lastError = "";
    try {
      await this.#askAndForward(signal);
    } catch (error) {
      signal.throwIfAborted();
      lastError = describeError(error);
      context.log.warn("scrape of a profile failed", { target: target.url, error: lastError });
    }
    const lastDurationMs = context.clock.monotonicMs() - startMs;
    this.#last = { lastError, lastScrapeMs, lastDurationMs };
  }

  async #askAndForward(signal: AbortSignal): Promise<void> {
    const { context, receivers, target } = this.#options;
    const asked = await this.#ask(signal);
    const delta = this.#delta;
    let { labels } = target;
    let pprof = asked;
    if (delta !== undefined) {
      const plain = isGzip(asked) ? decompressBody(asked, "gzip", PROFILE_BYTES_MAX) : asked;
      const difference = delta.next(plain);
      if (difference === undefined) return;
      pprof = await gzipBytes(difference);
      // Tells the server that there is no difference left to make.
      labels = labels.with("__delta__", "false");
    }
    const series = [{ kind: "pushed", labels, profiles: [{ id: "", pprof }] } as const];
    await fanOut(context, receivers, { series, signal });
  }

  async #ask(signal: AbortSignal): Promise<Uint8Array> {
    const { client, target } = this.#options;
    const { status, headers, body } = await client.request({
      method: "GET",
      url: target.url,
      headers: { "user-agent": "Finch" },
      timeoutMs: target.timeoutMs,
      signal,
      responseBytesMax: PROFILE_BYTES_MAX,
    });
    if (status < 200 || status > 299)
      throw badAnswer(target, `it answered with status ${status}: ${shownStart(body)}`);
    const fault = pprofFault(body, headers["content-type"] ?? "");
    if (fault !== undefined) throw badAnswer(target, fault);
    return body;
  }
}

/** Why an answer is no pprof, as far as its beginning shows; servers that have none like to answer 200 with a page. */
function pprofFault(body: Uint8Array, contentType: string): string | undefined {
  if (body.length < 3) return "it answered with nothing";
  if (!contentType.startsWith("application/octet-stream"))
    return `it answered with the content type ${JSON.stringify(contentType)} instead of application/octet-stream: ${shownStart(body)}`;
  if (isGzip(body)) return undefined;
  // A message of protobuf begins with a tag; the first field of pprof is the sample type, others may come first.
  const isTag = (body[0]! & 7) < 6 && body[0]! >= 8;
  if (!isTag || /^\s*[<{[]/.test(Buffer.from(body.subarray(0, 64)).toString("latin1")))
    return `it answered with something else than pprof: ${shownStart(body)}`;
  return undefined;
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function shownStart(body: Uint8Array): string {
  const text = Buffer.from(body.subarray(0, 200)).toString("utf8").trim();
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

function badAnswer(target: ProfileTarget, why: string): FinchError {
  return new FinchError("unavailable", "agent/profile-answer", `${target.url}: ${why}`);
}
