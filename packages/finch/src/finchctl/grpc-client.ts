/** One unary call at a time over gRPC and TLS, with a client certificate: what finchctl needs of gRPC and no more. Statuses become faults that say what to do. */
import { connect, constants } from "node:http2";
import type { ClientHttp2Session, IncomingHttpHeaders } from "node:http2";
import { isIP } from "node:net";
import { FinchError } from "@finch/runtime";
import type { FaultKind } from "@finch/runtime";
import type { MessageCodec } from "@finch/wire/finch-rpc";
import { formatServiceName } from "./host-address.ts";
import type { ServiceAddress } from "./host-address.ts";

export interface GrpcClientOptions {
  readonly address: ServiceAddress;
  readonly certificate: string;
  readonly key: string;
  /** Instead of the authorities that Node trusts. */
  readonly gatewayCertificate: string | undefined;
  /** Whether the gateway may be anybody. */
  readonly skipVerify: boolean;
  readonly timeoutMs: number;
  readonly userAgent: string;
}

export interface GrpcCall<Request, Reply> {
  /** Such as `/finch.InfoService/GetServiceInfo`. */
  readonly path: string;
  readonly request: MessageCodec<Request>;
  readonly reply: MessageCodec<Reply>;
}

const PREFIX_BYTES = 5;
/** A generated configuration or a list of agents is far smaller. */
const REPLY_BYTES_MAX = 16 << 20;

/** A connection that is closed when it is disposed of. */
export class GrpcClient implements Disposable {
  readonly #options: GrpcClientOptions;
  readonly #session: ClientHttp2Session;
  #fault: Error | undefined;

  constructor(options: GrpcClientOptions) {
    this.#options = options;
    const { address, certificate, key, gatewayCertificate, skipVerify } = options;
    const authority = new URL(`https://${formatServiceName(address)}`);
    this.#session = connect(authority, {
      cert: certificate,
      key,
      // The certificate that is kept may be one that another signed.
      ...(gatewayCertificate !== undefined && {
        ca: gatewayCertificate,
        allowPartialTrustChain: true,
      }),
      // An address is no server name in TLS.
      ...(isIP(address.host) === 0 && { servername: address.host }),
      rejectUnauthorized: !skipVerify,
      ALPNProtocols: ["h2"],
    });
    this.#session.on("error", (error: Error) => {
      this.#fault ??= error;
    });
  }

  async call<Request, Reply>(method: GrpcCall<Request, Reply>, request: Request): Promise<Reply> {
    let answer: Answer;
    try {
      answer = await this.#exchange(method.path, method.request.encode(request));
    } catch (error) {
      throw unreachable(this.#options.address, this.#fault ?? (error as Error));
    }
    const { headers, body } = answer;
    if (headers["grpc-status"] === undefined) throw noGrpc(this.#options.address, headers);
    if (headers["grpc-status"] !== "0") throw refusal(this.#options.address, headers);
    if (body.length < PREFIX_BYTES || body[0] !== 0) throw noGrpc(this.#options.address, headers);
    return method.reply.decode(body.subarray(PREFIX_BYTES));
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }

  async #exchange(path: string, message: Uint8Array): Promise<Answer> {
    const { timeoutMs, userAgent } = this.#options;
    const stream = this.#session.request(
      {
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        te: "trailers",
        "grpc-timeout": `${Math.ceil(timeoutMs)}m`,
        "user-agent": userAgent,
      },
      { signal: AbortSignal.timeout(timeoutMs) },
    );
    let headers: IncomingHttpHeaders = {};
    const keep = (more: IncomingHttpHeaders) => {
      headers = { ...headers, ...more };
    };
    stream.on("response", keep);
    stream.on("trailers", keep);
    const framed = Buffer.alloc(PREFIX_BYTES + message.length);
    framed.writeUInt32BE(message.length, 1);
    framed.set(message, PREFIX_BYTES);
    stream.end(framed);
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > REPLY_BYTES_MAX) {
        stream.close(constants.NGHTTP2_CANCEL);
        throw new Error(`the answer is larger than ${REPLY_BYTES_MAX} bytes`);
      }
      chunks.push(chunk);
    }
    return { headers, body: Buffer.concat(chunks) };
  }
}

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const KINDS: Readonly<Record<string, FaultKind>> = {
  "1": "canceled",
  "3": "invalid",
  "4": "timeout",
  "5": "not-found",
  "6": "conflict",
  "7": "unauthenticated",
  "8": "limited",
  "12": "unsupported",
  "14": "unavailable",
  "16": "unauthenticated",
};

function refusal(address: ServiceAddress, headers: IncomingHttpHeaders): FinchError {
  const name = formatServiceName(address);
  const kind = KINDS[String(headers["grpc-status"])] ?? "internal";
  const said = decodeMessage(String(headers["grpc-message"] ?? ""));
  const advice =
    kind === "unauthenticated"
      ? `; it does not take this client's certificate (they are valid for 90 days): "finchctl service rotate-certificate [user@]host" makes a new one, "finchctl service register [user@]host" the first one`
      : kind === "not-found"
        ? `; "finchctl agent list ${name}" shows which there are`
        : kind === "conflict"
          ? `; "finchctl agent list ${name}" shows it, "finchctl agent edit" changes it, "finchctl agent deregister" removes it`
          : "";
  return new FinchError(kind, "finch/service-refused", `${name}: ${said || kind}${advice}`);
}

function unreachable(address: ServiceAddress, error: Error): FinchError {
  const name = formatServiceName(address);
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const isCertificate = /CERT|SELF_SIGNED|ISSUER|ALTNAME|UNABLE_TO_VERIFY/.test(code);
  const advice = isCertificate
    ? `its certificate is not one that is known here; "finchctl service register [user@]host" tells finchctl which to expect, --tls.skip-verify takes any (then anybody in between can read along)`
    : error.name === "AbortError" || error.name === "TimeoutError"
      ? "it did not answer in time; look at it with finchctl service doctor"
      : `is it running, and is port ${address.port} open to here? "finchctl service doctor [user@]host" looks`;
  return new FinchError("unavailable", "finch/no-service", `no answer from ${name}: ${advice}`, {
    cause: error,
  });
}

function noGrpc(address: ServiceAddress, headers: IncomingHttpHeaders): FinchError {
  return new FinchError(
    "internal",
    "finch/bad-answer",
    `${formatServiceName(address)} does not answer as Finch does (HTTP status ${String(headers[":status"] ?? "none")}): is another program on port ${address.port}?`,
  );
}

/** `grpc-message` is percent-encoded UTF-8. */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
