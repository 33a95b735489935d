/** One question to a target, over HTTP or within the process, and its answer as columns. */
import type { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import {
  DEFAULT_EXPOSITION_LIMITS,
  parseExposition,
  parseProtobufExposition,
} from "@finch/wire/exposition";
import type { ComponentContext } from "../../component.ts";
import type { HttpClient } from "../../http-client.ts";
import { INTERNAL_ADDRESS } from "./internal-address.ts";
import { normalProtocol, wantedProtocols, type Arguments } from "./scrape-arguments.ts";
import { convertClassicHistograms } from "./scrape-classic-histograms.ts";
import { acceptHeader, mediaTypeOf } from "./scrape-format.ts";
import type { Answer } from "./scrape-loop.ts";
import type { ScrapeTarget } from "./scrape-target.ts";

/** Largest answer when `body_size_limit` is not set; without a bound one target could take all memory. */
const BODY_BYTES_MAX = 256 << 20;
/** Texts of series a target's cache may hold besides twice those of its last scrape. */
const CACHE_SLACK = 1000;

/** What asking one target takes; the same for each of its scrapes. */
export interface Asking {
  readonly context: Pick<ComponentContext<unknown, object>, "clock" | "internalHandlers">;
  readonly client: HttpClient;
  readonly target: ScrapeTarget;
  readonly values: Arguments;
  /** Labels by their text, kept from scrape to scrape. */
  readonly cache: Map<string, Labels>;
}

/** Asks a target and reads what it answers; rejects when it does not answer in time, not with 200, or not with an exposition. */
export async function ask(asking: Asking, signal: AbortSignal): Promise<Answer> {
  const { target, values, cache } = asking;
  const { body, contentType } =
    target.address === INTERNAL_ADDRESS
      ? await askInProcess(asking, signal)
      : await askOverHttp(asking, signal);
  const mediaType = mediaTypeOf(contentType, normalProtocol(values.scrape_fallback_protocol));
  const limits = {
    ...DEFAULT_EXPOSITION_LIMITS,
    textBytesMax: values.body_size_limit || BODY_BYTES_MAX,
  };
  const exposition =
    mediaType === "application/vnd.google.protobuf"
      ? parseProtobufExposition(body, {
          limits,
          cache,
          nativeHistograms: values.scrape_native_histograms,
          classicHistograms: values.scrape_classic_histograms,
        })
      : parseExposition(body, { contentType: mediaType, limits, cache });
  // Texts of series that are gone stay in the cache until they outnumber those that are there.
  if (cache.size > 2 * exposition.count + CACHE_SLACK) cache.clear();
  const converted = values.convert_classic_histograms_to_nhcb
    ? convertClassicHistograms(exposition, { keepsClassic: values.scrape_classic_histograms })
    : exposition;
  return { exposition: converted, bodyBytes: body.byteLength };
}

interface RawAnswer {
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
}

async function askInProcess({ context, target }: Asking, signal: AbortSignal): Promise<RawAnswer> {
  const handler = context.internalHandlers.get(target.metricsPath);
  if (handler === undefined) {
    throw new FinchError(
      "not-found",
      "agent/exporter-missing",
      `no running component serves ${target.metricsPath}`,
    );
  }
  const waiting = new AbortController();
  const timeOut = context.clock
    .sleep(target.timeoutMs, AbortSignal.any([signal, waiting.signal]))
    .then(() => {
      throw new FinchError(
        "timeout",
        "agent/scrape-timeout",
        `no answer from ${target.metricsPath} within ${target.timeoutMs} ms`,
      );
    });
  try {
    const answer = handler({
      query: new URL(target.url).searchParams,
      timeoutMs: target.timeoutMs,
      signal: AbortSignal.any([signal, waiting.signal]),
    });
    const text = await Promise.race([answer, timeOut]);
    return { body: Buffer.from(text), contentType: "text/plain; version=0.0.4" };
  } finally {
    waiting.abort();
  }
}

async function askOverHttp(
  { client, target, values }: Asking,
  signal: AbortSignal,
): Promise<RawAnswer> {
  const response = await client.request({
    method: "GET",
    url: target.url,
    headers: {
      accept: acceptHeader(wantedProtocols(values)),
      "accept-encoding": values.enable_compression ? "gzip" : "identity",
      "user-agent": "Finch",
      "x-prometheus-scrape-timeout-seconds": String(target.timeoutMs / 1000),
    },
    timeoutMs: target.timeoutMs,
    signal,
    responseBytesMax: values.body_size_limit || BODY_BYTES_MAX,
  });
  if (response.status !== 200) {
    throw new FinchError(
      "unavailable",
      "agent/scrape-status",
      `${target.url} answered with status ${response.status}`,
    );
  }
  return { body: response.body, contentType: response.headers["content-type"] };
}
