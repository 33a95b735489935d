/** AWS Signature Version 4 (AWS General Reference, "Create a signed AWS API request"), as headers of a request. */
import { createHash, createHmac } from "node:crypto";
import type { Secret } from "../schema.ts";

export interface AwsCredentials {
  readonly accessKey: string;
  readonly secretKey: Secret;
  /** Of credentials that end. */
  readonly sessionToken?: Secret;
}

export interface SignedRequest {
  readonly method: string;
  readonly url: URL;
  readonly body: Uint8Array | undefined;
}

export interface SignatureScope {
  readonly region: string;
  readonly service: string;
}

/** The headers that prove who sends the request: `authorization`, `x-amz-date`, and `x-amz-security-token` where there is one. */
export function signatureHeaders(
  request: SignedRequest,
  credentials: AwsCredentials,
  scope: SignatureScope,
  nowMs: number,
): Record<string, string> {
  const time = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const date = time.slice(0, 8);
  const headers: Record<string, string> = { host: request.url.host, "x-amz-date": time };
  if (credentials.sessionToken !== undefined)
    headers["x-amz-security-token"] = credentials.sessionToken.reveal();
  const names = Object.keys(headers).join(";");
  const canonical = [
    request.method,
    canonicalPath(request.url.pathname),
    canonicalQuery(request.url.searchParams),
    ...Object.entries(headers).map(([name, value]) => `${name}:${value.trim()}`),
    "",
    names,
    sha256(request.body ?? new Uint8Array(0)),
  ].join("\n");
  const within = `${date}/${scope.region}/${scope.service}/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", time, within, sha256(canonical)].join("\n");
  const signature = hmac(signingKey(credentials.secretKey, date, scope), text).toString("hex");
  const { host: _, ...sent } = headers;
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKey}/${within}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

function signingKey(secret: Secret, date: string, { region, service }: SignatureScope): Buffer {
  const ofDate = hmac(`AWS4${secret.reveal()}`, date);
  return hmac(hmac(hmac(ofDate, region), service), "aws4_request");
}

/** Each segment is encoded once more than in the URL, as every service but S3 wants it. */
function canonicalPath(path: string): string {
  return path.split("/").map(encode).join("/");
}

function canonicalQuery(parameters: URLSearchParams): string {
  return [...parameters]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join("&");
}

/** All but the unreserved characters of RFC 3986. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
