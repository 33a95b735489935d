/** Calls `collector.v1.CollectorService` by the Connect protocol: one POST with a protocol buffer for each call, faults as JSON. */
import { FinchError } from "@finch/runtime";
import type { HttpClient } from "../http-client.ts";
import {
  decodeConfigAnswer,
  encodeGetConfig,
  encodeRegister,
  encodeUnregister,
} from "./remotecfg-messages.ts";
import type { ConfigAnswer, ConfigRequest } from "./remotecfg-messages.ts";

const SERVICE = "collector.v1.CollectorService";
/** A server that takes longer is away. */
const TIMEOUT_MS = 30_000;
/** Of a stop that has to be quick. */
const GOODBYE_MS = 1000;
/** A configuration that is longer is refused. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

export class CollectorClient {
  readonly #http: HttpClient;
  readonly #url: string;
  readonly #userAgent: string;

  constructor(
    http: HttpClient,
    { url, version }: { readonly url: string; readonly version: string },
  ) {
    this.#http = http;
    this.#url = url.replace(/\/+$/, "");
    this.#userAgent = `Finch/${version}`;
  }

  async getConfig(request: ConfigRequest, signal: AbortSignal): Promise<ConfigAnswer> {
    const answer = await this.#call("GetConfig", encodeGetConfig(request), { signal });
    try {
      return decodeConfigAnswer(answer);
    } catch (cause) {
      throw new FinchError(
        "unavailable",
        "agent/remotecfg-answer",
        `${this.#url} did not answer with a configuration; is it a service for remotecfg?`,
        { cause },
      );
    }
  }

  async register(
    id: string,
    about: Parameters<typeof encodeRegister>[1],
    signal: AbortSignal,
  ): Promise<void> {
    await this.#call("RegisterCollector", encodeRegister(id, about), { signal });
  }

  async unregister(id: string): Promise<void> {
    const signal = AbortSignal.timeout(GOODBYE_MS);
    await this.#call("UnregisterCollector", encodeUnregister(id), { signal });
  }

  async #call(
    method: string,
    body: Uint8Array,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    const answer = await this.#http.request({
      method: "POST",
      url: `${this.#url}/${SERVICE}/${method}`,
      headers: {
        "content-type": "application/proto",
        "connect-protocol-version": "1",
        "user-agent": this.#userAgent,
      },
      body,
      timeoutMs: TIMEOUT_MS,
      responseBytesMax: ANSWER_BYTES_MAX,
      signal,
    });
    if (answer.status === 200) return answer.body;
    throw new FinchError(
      "unavailable",
      "agent/remotecfg-refused",
      `${this.#url} answered ${method} with ${answer.status}${reasonOf(answer.body)}`,
    );
  }
}

/** `: unauthenticated: no such token`, as far as the answer says so. */
function reasonOf(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, 4096)).trim();
  try {
    const { code, message } = JSON.parse(text) as {
      readonly code?: unknown;
      readonly message?: unknown;
    };
    const parts = [code, message].filter((part) => typeof part === "string" && part !== "");
    return parts.length === 0 ? "" : `: ${parts.join(": ")}`;
  } catch {
    return text === "" ? "" : `: ${text.slice(0, 200)}`;
  }
}
