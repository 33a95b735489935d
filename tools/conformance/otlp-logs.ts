/**
 * Runs OTLP log cases, sent over HTTP into a log store and asked for again: `stream`, `metadata` (at least these), `line` and `timestamp` of the one record
 * of a case. The clock stands shortly after 1970 began, as times of the cases do.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { createLogsApi, DEFAULT_LOGS_LIMITS } from "@finch/server";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openLogStore } from "@finch/store";
import type { OtlpEncoding } from "@finch/wire";
import { encodeOtlpJson } from "../otlp-encode.ts";
import { attributesOf, valueOf } from "./otlp-request.ts";

type Fields = Readonly<Record<string, unknown>>;

export interface OtlpLogCase {
  readonly id: string;
  readonly resource?: Fields;
  readonly scope?: Fields;
  readonly record: Fields;
  readonly stream?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly line?: string;
  readonly timestamp?: string;
}

const NOW_MS = 60_000;

export function isLogCase(one: object): one is OtlpLogCase {
  return "record" in one;
}

/** What is wrong with what is found of the case's record, or undefined. */
export async function runLogCase(
  one: OtlpLogCase,
  encoding: OtlpEncoding,
): Promise<string | undefined> {
  await using server = await startLogsServer();
  const request = requestOf(one);
  const reply = await fetch(`${server.url}/otlp/v1/logs`, {
    method: "POST",
    headers: {
      "content-type": encoding === "json" ? "application/json" : "application/x-protobuf",
    },
    body: encoding === "json" ? JSON.stringify(request) : new Uint8Array(encodeOtlpJson(request)),
  });
  if (reply.status !== 204) return `answered ${reply.status} ${await reply.text()}`;
  const query = new URLSearchParams({ query: '{service_name=~".+"}', start: "0", end: "100" });
  const answer = await fetch(`${server.url}/loki/api/v1/query_range?${query.toString()}`, {
    headers: { "x-loki-response-encoding-flags": "categorize-labels" },
  });
  const { data } = (await answer.json()) as {
    data: { result: readonly { stream: Fields; values: readonly Value[] }[] };
  };
  const [found] = data.result;
  if (found === undefined) return "nothing was stored";
  return compare(one, found.stream, found.values[0]!);
}

type Value = readonly [ns: string, line: string, { readonly structuredMetadata?: Fields }];

function compare(one: OtlpLogCase, stream: Fields, value: Value): string | undefined {
  const [ns, line, { structuredMetadata = {} }] = value;
  for (const [name, expected] of Object.entries(one.stream ?? {}))
    if (stream[name] !== expected) return told(`stream label ${name}`, stream[name], expected);
  if (one.stream !== undefined && Object.keys(stream).length !== Object.keys(one.stream).length)
    return told("stream", stream, one.stream);
  for (const [name, expected] of Object.entries(one.metadata ?? {})) {
    const actual = structuredMetadata[name];
    if (actual !== expected) return told(`metadata ${name}`, actual, expected);
  }
  if (one.line !== undefined && line !== one.line) return told("line", line, one.line);
  if (one.timestamp !== undefined && ns !== one.timestamp)
    return told("timestamp", ns, one.timestamp);
  return undefined;
}

function told(what: string, actual: unknown, expected: unknown): string {
  return `${what} is ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`;
}

function requestOf({ resource = {}, scope = {}, record }: OtlpLogCase): object {
  const { attributes, body, ...fields } = record;
  return {
    resourceLogs: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeLogs: [
          {
            scope: {
              ...scope,
              attributes: attributesOf((scope["attributes"] ?? {}) as Record<string, unknown>),
            },
            logRecords: [
              {
                ...fields,
                ...(body !== undefined && { body: valueOf(body) }),
                attributes: attributesOf((attributes ?? {}) as Record<string, unknown>),
              },
            ],
          },
        ],
      },
    ],
  };
}

async function startLogsServer(): Promise<{ readonly url: string } & AsyncDisposable> {
  await using opening = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "finch-conformance-"));
  opening.defer(() => rm(directory, { recursive: true, force: true }));
  const clock = {
    ...systemClock,
    nowMs: () => NOW_MS,
    nowNs: () => BigInt(NOW_MS) * 1_000_000n,
  };
  const store = opening.use(
    await openLogStore({
      directory: join(directory, "logs"),
      fileSystem: nodeFileSystem,
      clock,
      log: silentLogger,
      limits: { ...DEFAULT_LIMITS, freeBytesMin: 0 },
      retention: DEFAULT_RETENTION,
    }),
  );
  const api = createLogsApi({
    store,
    clock,
    limits: DEFAULT_LOGS_LIMITS,
    build: { version: "0", revision: "", nodeVersion: process.version },
    retention: DEFAULT_RETENTION,
  });
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
  const parts = opening.move();
  return {
    url: `http://127.0.0.1:${listener.port}`,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
