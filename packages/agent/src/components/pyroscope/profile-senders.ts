/** The endpoints of a `pyroscope.write` as they are now: sends each series to all of them, retries what may pass later, and counts what becomes of it. */
import { describeError, FinchError } from "@finch/runtime";
import type { FaultKind } from "@finch/runtime";
import { encodeProfilePush, formatProfileName } from "@finch/wire";
import type { ComponentContext } from "../../component.ts";
import { createHttpClient } from "../../http-client.ts";
import type { HttpClient, HttpClientResponse } from "../../http-client.ts";
import { httpClientOptions } from "../../http-client-schema.ts";
import { countProfiles } from "../../receivers.ts";
import type { ProfileSeries } from "../../receivers.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { outgoingIngestLabels, outgoingLabels } from "./profile-labels.ts";
import type { Arguments } from "./write-arguments.ts";

type Endpoint = Arguments["endpoint"][number];
export type SenderContext = Pick<
  ComponentContext<unknown, object>,
  "metrics" | "log" | "clock" | "setHealth" | "drops"
>;

const ANSWER_BYTES_MAX = 64 << 10;
/** What is shown of an answer. */
const ANSWER_SHOWN_MAX = 300;
/** Seconds. */
const LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface ProfileSenders {
  /** Resolves when all endpoints have taken all series; rejects with the first refusal when every one is settled. */
  send(series: readonly ProfileSeries[], signal: AbortSignal): Promise<void>;
  /** Waits for what is under way; nothing may be sent after the call. */
  close(): Promise<void>;
}

interface OpenEndpoint {
  readonly endpoint: Endpoint;
  readonly client: HttpClient;
}

/** One request, the same for every endpoint. */
interface Outgoing {
  /** How its metrics call it. */
  readonly kind: "push" | "ingest";
  /** Below the URL of the endpoint, with its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Of the profiles in it. */
  readonly profileBytes: number;
  readonly profiles: number;
  /** For people. */
  readonly labels: string;
}

/** Rejects when a client cannot be made, such as for a certificate that is not there. */
export async function openSenders(
  { endpoint: endpoints, external_labels: external }: Arguments,
  context: SenderContext,
  budget: ByteBudget,
): Promise<ProfileSenders> {
  const clients = new DisposableStack();
  const opened: OpenEndpoint[] = [];
  try {
    for (const endpoint of endpoints)
      opened.push({
        endpoint,
        client: clients.use(await createHttpClient(httpClientOptions(endpoint))),
      });
  } catch (error) {
    clients.dispose();
    throw error;
  }
  const health = new EndpointHealth(context);
  const underWay = new Set<Promise<void>>();
  const track = async (work: Promise<void>): Promise<void> => {
    underWay.add(work);
    try {
      await work;
    } finally {
      underWay.delete(work);
    }
  };
  return {
    send: (series, signal) =>
      track(sendAll(series, { opened, external, context, budget, health, signal })),
    close: async () => {
      await Promise.allSettled(underWay);
      clients.dispose();
    },
  };
}

interface Sending {
  readonly opened: readonly OpenEndpoint[];
  readonly external: Readonly<Record<string, string>>;
  readonly context: SenderContext;
  readonly budget: ByteBudget;
  readonly health: EndpointHealth;
  readonly signal: AbortSignal;
}

async function sendAll(series: readonly ProfileSeries[], sending: Sending): Promise<void> {
  const { opened, external, context, budget, signal } = sending;
  let refusal: unknown;
  // A request for each series, as Alloy does: one that is refused does not cost the others.
  for (const one of series) {
    const outgoing = outgoingOf(one, external);
    await budget.take(outgoing.body.length, signal);
    const done = latency(context, "-", `${outgoing.kind}_total`);
    try {
      const results = await Promise.allSettled(
        opened.map((endpoint) => sendTo(endpoint, outgoing, sending)),
      );
      for (const result of results) if (result.status === "rejected") refusal ??= result.reason;
    } finally {
      budget.give(outgoing.body.length);
      done();
    }
  }
  if (refusal !== undefined) throw refusal;
}

function outgoingOf(series: ProfileSeries, external: Readonly<Record<string, string>>): Outgoing {
  const profiles = countProfiles([series]);
  if (series.kind === "pushed") {
    const labels = outgoingLabels(series.labels, external);
    const body = encodeProfilePush([{ labels, profiles: series.profiles }]);
    return {
      kind: "push",
      path: "/push.v1.PusherService/Push",
      headers: { "content-type": "application/proto", "connect-protocol-version": "1" },
      body,
      profileBytes: series.profiles.reduce((sum, { pprof }) => sum + pprof.length, 0),
      profiles,
      labels: String(labels),
    };
  }
  const labels = outgoingIngestLabels(series.labels, external);
  const query = new URLSearchParams([
    ["name", formatProfileName(labels)],
    ...series.parameters.map(([name, value]): [string, string] => [name, value]),
  ]);
  return {
    kind: "ingest",
    path: `/ingest?${query.toString()}`,
    headers: series.contentType === "" ? {} : { "content-type": series.contentType },
    body: series.body,
    profileBytes: series.body.length,
    profiles,
    labels: String(labels),
  };
}

async function sendTo(open: OpenEndpoint, outgoing: Outgoing, sending: Sending): Promise<void> {
  const { endpoint } = open;
  const { context, health, signal } = sending;
  const done = latency(context, endpoint.url, `${outgoing.kind}_endpoint`);
  try {
    await sendUntilSettled(open, outgoing, sending);
    countProfilesOf("sent", endpoint, outgoing, context);
    health.note(endpoint, undefined);
  } catch (error) {
    const why = describeError(error);
    const reason = signal.aborted ? "sender_gave_up" : reasonOf(error);
    countProfilesOf("dropped", endpoint, outgoing, context);
    context.drops.count({ kind: "profiles", reason }, outgoing.profiles, () => [
      { labels: outgoing.labels, text: why },
    ]);
    if (!signal.aborted) {
      health.note(endpoint, `profiles are dropped: ${why}`);
      context.log.error("profiles are dropped", { endpoint: nameOf(endpoint), why });
    }
    throw error;
  } finally {
    done();
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof FinchError)) return "failed";
  if (error.kind === "limited") return "rate_limited";
  const isAway = error.kind === "unavailable" || error.kind === "timeout";
  return isAway ? "retries_exhausted" : "refused";
}

async function sendUntilSettled(
  open: OpenEndpoint,
  outgoing: Outgoing,
  { context, health, signal }: Sending,
): Promise<void> {
  const { endpoint } = open;
  for (let attempt = 0; ; attempt++) {
    const fault = await post(open, outgoing, context, signal);
    if (fault === undefined) return;
    const { max_backoff_retries: retriesMax } = endpoint;
    const isOver = retriesMax > 0 && attempt >= retriesMax;
    if (!fault.isTransient || isOver) throw fault.error;
    context.metrics
      .counter("pyroscope_write_retries_total", "Requests sent again.", { endpoint: endpoint.url })
      .add(1);
    if (attempt === 0) {
      health.note(endpoint, describeError(fault.error));
      context.log.warn("endpoint takes no profiles now; trying again", {
        endpoint: nameOf(endpoint),
        answer: describeError(fault.error),
      });
    }
    await context.clock.sleep(pauseMs(attempt, fault.error, endpoint), signal);
  }
}

interface PostFault {
  readonly error: FinchError;
  readonly isTransient: boolean;
}

/** One attempt; undefined when the endpoint has taken it. */
async function post(
  { endpoint, client }: OpenEndpoint,
  outgoing: Outgoing,
  context: SenderContext,
  signal: AbortSignal,
): Promise<PostFault | undefined> {
  const done = latency(context, endpoint.url, `${outgoing.kind}_downstream`);
  try {
    const answer = await client.request({
      method: "POST",
      url: addressOf(endpoint.url, outgoing.path),
      headers: { "user-agent": "Finch", ...endpoint.headers, ...outgoing.headers },
      body: outgoing.body,
      timeoutMs: endpoint.remote_timeout,
      signal,
      responseBytesMax: ANSWER_BYTES_MAX,
    });
    if (answer.status >= 200 && answer.status < 300) return undefined;
    const isTransient = isTransientStatus(answer.status, endpoint.retry_on_http_429);
    return { error: refusalOf(endpoint, answer), isTransient };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FinchError)) throw error;
    const isTransient = error.kind === "unavailable" || error.kind === "timeout";
    return { error, isTransient };
  } finally {
    done();
  }
}

/** A path of the endpoint's own stays in front; a query of its own makes no sense. */
function addressOf(url: string, path: string): string {
  const parsed = new URL(url);
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, "")}${path}`;
}

/** What does not exist there will not exist in a minute. */
function isTransientStatus(status: number, retryOn429: boolean): boolean {
  if (status === 429) return retryOn429;
  return status === 408 || (status >= 500 && status !== 501);
}

/** The status in terms of whoever sent the profiles: what is wrong with them is told so, anything else is between the agent and the endpoint. */
const KIND_OF_STATUS: Readonly<Partial<Record<number, FaultKind>>> = {
  400: "invalid",
  413: "too-large",
  415: "unsupported-media",
  422: "unprocessable",
  429: "limited",
};

function refusalOf(endpoint: Endpoint, answer: HttpClientResponse): FinchError {
  const seconds = Number(answer.headers["retry-after"]);
  return new FinchError(
    KIND_OF_STATUS[answer.status] ?? "unavailable",
    "agent/profiles-refused",
    `${endpoint.url} answered with status ${answer.status}: ${textOf(answer)}`,
    seconds > 0 ? { retryAfterSeconds: seconds } : {},
  );
}

/** The message of a Connect fault, or the text. */
function textOf({ body }: HttpClientResponse): string {
  const text = new TextDecoder().decode(body).trim();
  try {
    const { code, message } = JSON.parse(text) as { readonly [name: string]: unknown };
    if (typeof code === "string" && typeof message === "string")
      return `${code}: ${message}`.slice(0, ANSWER_SHOWN_MAX);
  } catch {
    // Not JSON: shown as it is.
  }
  return text.slice(0, ANSWER_SHOWN_MAX);
}

/** Doubles from the minimum to the maximum; a server that names a time is believed up to the maximum. */
function pauseMs(attempt: number, error: FinchError, endpoint: Endpoint): number {
  const { min_backoff_period: min, max_backoff_period: max } = endpoint;
  const doubled = Math.min(max, min * 2 ** Math.min(attempt, 30));
  const seconds = error.retryAfterSeconds ?? 0;
  return seconds > 0 ? Math.min(max, Math.max(min, seconds * 1000)) : doubled;
}

function countProfilesOf(
  what: "sent" | "dropped",
  endpoint: Endpoint,
  outgoing: Outgoing,
  { metrics }: SenderContext,
): void {
  const labels = { endpoint: endpoint.url };
  metrics
    .counter(`pyroscope_write_${what}_profiles_total`, `Profiles ${what}.`, labels)
    .add(outgoing.profiles);
  metrics
    .counter(`pyroscope_write_${what}_bytes_total`, `Bytes of profiles ${what}.`, labels)
    .add(outgoing.profileBytes);
}

function latency({ metrics, clock }: SenderContext, endpoint: string, type: string): () => void {
  const startedMs = clock.monotonicMs();
  return () =>
    metrics
      .histogram(
        "pyroscope_write_latency",
        "Seconds that sending profiles took: a request, all of its attempts at one endpoint, all endpoints.",
        LATENCY_BUCKETS,
        { endpoint, type },
      )
      .observe((clock.monotonicMs() - startedMs) / 1000);
}

function nameOf(endpoint: Endpoint): string {
  return endpoint.name ?? endpoint.url;
}

/** Unhealthy as long as any endpoint is. */
class EndpointHealth {
  readonly #context: SenderContext;
  readonly #faults = new Map<Endpoint, string>();

  constructor(context: SenderContext) {
    this.#context = context;
  }

  note(endpoint: Endpoint, fault: string | undefined): void {
    if (fault === undefined) this.#faults.delete(endpoint);
    else this.#faults.set(endpoint, `${nameOf(endpoint)}: ${fault}`);
    if (this.#faults.size === 0) this.#context.setHealth("healthy", "sending");
    else this.#context.setHealth("unhealthy", [...this.#faults.values()].join("; "));
  }
}
