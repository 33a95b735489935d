/**
 * The headers of a unary call of the Connect protocol: a POST whose body is one message, protobuf or JSON, gzipped or not. Faults are told by the
 * `connect` style of the HTTP kit. https://connectrpc.com/docs/protocol#unary-request
 */
import { FinchError } from "@finch/runtime";
import { badBody, unsupportedMedia } from "./errors.ts";

export interface ConnectCall {
  readonly encoding: "proto" | "json";
  readonly isGzip: boolean;
  /** How long the caller waits; undefined when it does not say. */
  readonly timeoutMs: number | undefined;
}

const ENCODINGS: Readonly<Record<string, ConnectCall["encoding"]>> = {
  "application/proto": "proto",
  "application/json": "json",
};

/** Reads the headers of a call; throws a FinchError for what is not spoken. `header` gives the empty string for one that is not there. */
export function negotiateConnect(header: (name: string) => string): ConnectCall {
  const contentType = header("content-type").split(";")[0]!.trim().toLowerCase();
  const encoding = Object.hasOwn(ENCODINGS, contentType) ? ENCODINGS[contentType] : undefined;
  if (encoding === undefined)
    throw unsupportedMedia(
      `Content-Type ${JSON.stringify(contentType)} is not spoken: send application/proto or application/json by the Connect protocol`,
    );
  const version = header("connect-protocol-version");
  if (version !== "" && version !== "1")
    throw badBody(`Connect-Protocol-Version ${JSON.stringify(version)} is not 1`);
  return { encoding, isGzip: isGzip(header("content-encoding")), timeoutMs: timeoutOf(header) };
}

function isGzip(contentEncoding: string): boolean {
  const coding = contentEncoding.trim().toLowerCase();
  if (coding === "" || coding === "identity") return false;
  if (coding === "gzip") return true;
  throw new FinchError(
    "unsupported",
    "wire/connect-encoding",
    `Content-Encoding ${JSON.stringify(coding)} is not supported: send gzip or identity`,
  );
}

function timeoutOf(header: (name: string) => string): number | undefined {
  const text = header("connect-timeout-ms");
  if (text === "") return undefined;
  if (!/^[0-9]{1,10}$/.test(text))
    throw badBody(`Connect-Timeout-Ms ${JSON.stringify(text)} is not a number of up to ten digits`);
  return Number(text);
}
