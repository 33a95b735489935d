/** The metrics API over a store in a temporary directory, on a free loopback port: what cases of wire protocols are sent to. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { createMetricsApi, DEFAULT_METRICS_LIMITS, Notifications } from "@finch/server";
import type { LanguageSwitches } from "@finch/promql";
import type { Clock } from "@finch/runtime";
import type { OtlpOptions, ServerStatus } from "@finch/server";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openMetricStore } from "@finch/store";

export interface MetricsServer extends AsyncDisposable {
  /** Sends a request; a body makes it a POST unless `method` says otherwise. */
  send(
    path: string,
    request?: {
      readonly method?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: Uint8Array | string;
    },
  ): Promise<Answer>;
  /** The `data` of a query API's answer. */
  ask(path: string, parameters: Readonly<Record<string, string>>): Promise<unknown>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** What the status pages tell; no case asks them. */
function statusOf(directory: string): ServerStatus {
  return {
    configYaml: "",
    flags: {},
    startedMs: systemClock.nowMs(),
    workingDirectory: directory,
    hostname: "localhost",
    cpus: 1,
    memoryLimitBytes: 0,
    retention: "",
    retentionMs: 0,
    seriesMax: 0,
    services: () => [],
    activeResources: () => 0,
  };
}

export interface MetricsServerOptions {
  readonly otlp?: OtlpOptions;
  readonly language?: LanguageSwitches;
  /** Of the store and of the API; the system's when missing. */
  readonly clock?: Clock;
  /** How old samples may get in blocks; the default of the store when missing. */
  readonly maxAgeMs?: number;
  /** Serves the tenants that requests name. */
  readonly multitenancy?: boolean;
}

export async function startMetricsServer(
  options: MetricsServerOptions = {},
): Promise<MetricsServer> {
  const { otlp, language, clock = systemClock, multitenancy = false } = options;
  const { maxAgeMs = DEFAULT_RETENTION.maxAgeMs } = options;
  await using opening = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "finch-conformance-"));
  opening.defer(() => rm(directory, { recursive: true, force: true }));
  const store = opening.use(
    await openMetricStore({
      directory: join(directory, "metrics"),
      fileSystem: nodeFileSystem,
      clock,
      log: silentLogger,
      limits: { ...DEFAULT_LIMITS, freeBytesMin: 0 },
      retention: { ...DEFAULT_RETENTION, maxAgeMs },
    }),
  );
  const api = opening.use(
    createMetricsApi({
      store,
      clock,
      log: silentLogger,
      limits: DEFAULT_METRICS_LIMITS,
      build: { version: "0", revision: "", nodeVersion: process.version },
      status: statusOf(directory),
      notifications: new Notifications(systemClock),
      scrapePools: () => [],
      multitenancy,
      admin: undefined,
      ...(otlp !== undefined && { otlp }),
      ...(language !== undefined && { language }),
    }),
  );
  const listener = await openListener({
    name: "conformance",
    purpose: "conformance cases",
    host: "127.0.0.1",
    port: 0,
    routes: api.routes,
    limits: DEFAULT_HTTP_LIMITS,
    clock: systemClock,
    log: silentLogger,
  });
  opening.defer(() => listener.close(0));
  const base = `http://127.0.0.1:${listener.port}`;
  const send: MetricsServer["send"] = async (path, request = {}) => {
    const { body, headers = {}, method = body === undefined ? "GET" : "POST" } = request;
    const reply = await fetch(base + path, {
      method,
      headers,
      ...(body !== undefined && { body: typeof body === "string" ? body : new Uint8Array(body) }),
    });
    return { status: reply.status, headers: reply.headers, text: await reply.text() };
  };
  const parts = opening.move();
  return {
    send,
    ask: async (path, parameters) => {
      const target = `${path}?${new URLSearchParams(parameters).toString()}`;
      const { status, text } = await send(target);
      if (status !== 200) throw new Error(`${target} answered ${status} ${text}`);
      return (JSON.parse(text) as { readonly data: unknown }).data;
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
