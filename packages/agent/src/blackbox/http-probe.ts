/** Prober `http`: requests with redirects, TLS, authentication and checks of status, headers and body. */
import { readFile } from "node:fs/promises";
import { pipeline, type Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflateRaw } from "node:zlib";
import { describeError } from "@finch/runtime";
import type { Credential } from "../http-client.ts";
import { addressesOf, resolveAddress } from "./connect.ts";
import { CookieJar } from "./cookie-jar.ts";
import { exchange, type Exchange, type ExchangeRequest } from "./http-exchange.ts";
import type { HeaderMatch, HttpModule } from "./module.ts";
import type { Probe } from "./probe.ts";
import { reportTls } from "./tls-report.ts";

const gauge = (name: string, help: string) => ({ name, help });
const DURATION = gauge(
  "probe_http_duration_seconds",
  "Duration of http request by phase, summed over all redirects",
);
const CONTENT_LENGTH = gauge("probe_http_content_length", "Length of http content response");
const BODY_LENGTH = gauge(
  "probe_http_uncompressed_body_length",
  "Length of uncompressed response body",
);
const REDIRECTS = gauge("probe_http_redirects", "The number of redirects");
const SSL = gauge("probe_http_ssl", "Indicates if SSL was used for the final redirect");
const STATUS_CODE = gauge("probe_http_status_code", "Response HTTP status code");
const VERSION = gauge("probe_http_version", "Returns the version of HTTP of the probe response");
const FAILED_REGEX = gauge("probe_failed_due_to_regex", "Indicates if probe failed due to regex");
const LAST_MODIFIED = gauge(
  "probe_http_last_modified_timestamp_seconds",
  "Returns the Last-Modified HTTP response header in unixtime",
);

const REDIRECTS_MAX = 10;
/** A body that expressions look at is held in memory. */
const MATCHED_BODY_BYTES_MAX = 64 << 20;

export async function probeHttp(
  probe: Probe,
  target: string,
  module: HttpModule,
): Promise<boolean> {
  for (const one of [CONTENT_LENGTH, BODY_LENGTH, REDIRECTS, SSL, STATUS_CODE, VERSION])
    probe.set(one, 0);
  probe.set(FAILED_REGEX, 0);
  const url = urlOf(target);
  if (url === undefined) return probe.fail(`${target} is no URL`);
  const { address, seconds } = await resolveAddress(probe, url.hostname, module.ip);
  probe.add(DURATION, seconds, "phase", "resolve");
  if (address === undefined) return false;
  for (const phase of ["connect", "tls", "processing", "transfer"])
    probe.add(DURATION, 0, "phase", phase);
  let answer: Exchange | undefined;
  try {
    const followed = await follow(probe, { url, address, module });
    answer = followed.answer;
    return await judge(probe, followed, module);
  } catch (error) {
    return probe.fail(describeError(error));
  } finally {
    answer?.close();
  }
}

function urlOf(target: string): URL | undefined {
  const text = /^https?:\/\//.test(target) ? target : `http://${target}`;
  return URL.canParse(text) ? new URL(text) : undefined;
}

interface Followed {
  readonly answer: Exchange;
  /** Whether it is a redirect that was not followed: its body is not looked at. */
  readonly isUnfollowed: boolean;
}

interface Hop {
  readonly url: URL;
  readonly address: string;
  readonly method: string;
  readonly body: Uint8Array | undefined;
  /** Name of the certificate and `Host` header while the target's own server is asked. */
  readonly serverName: string;
  readonly host: string;
}

async function follow(
  probe: Probe,
  start: { readonly url: URL; readonly address: string; readonly module: HttpModule },
): Promise<Followed> {
  const { module } = start;
  const ownHost = headerOf(module, "host");
  const body = await bodyOf(module);
  const jar = new CookieJar();
  let hop: Hop = {
    url: start.url,
    address: start.address,
    method: module.method,
    body,
    serverName: hostNameOf(ownHost ?? start.url.host),
    host: ownHost ?? start.url.host,
  };
  for (let redirects = 0; ; redirects++) {
    probe.note(`${hop.method} ${hop.url.href}`);
    const headers = await headersOf(module, {
      hop,
      jar,
      isOwn: hop.host === (ownHost ?? start.url.host),
    });
    const answer = await exchange(probe, requestOf(module, hop, headers), (phase, seconds) =>
      probe.add(DURATION, seconds, "phase", phase),
    );
    probe.note(`answered with status ${answer.status}`);
    jar.take(hop.url, answer.headers.get("set-cookie") ?? []);
    const location = answer.headers.get("location")?.[0];
    if (location === undefined || !isRedirect(answer.status))
      return { answer, isUnfollowed: false };
    probe.set(REDIRECTS, redirects + 1);
    if (!module.followRedirects || redirects + 1 > REDIRECTS_MAX) {
      probe.note("not following the redirect");
      return { answer, isUnfollowed: true };
    }
    answer.close();
    hop = await nextHop(probe, { hop, location, status: answer.status });
  }
}

function requestOf(
  module: HttpModule,
  hop: Hop,
  headers: ReadonlyMap<string, string>,
): ExchangeRequest {
  const { url, address, method, host, body, serverName } = hop;
  const { tls, enableHttp2 } = module;
  return { url, address, method, host, body, serverName, tls, enableHttp2, headers };
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** As Go's client: 307 and 308 ask again, others with GET; a relative location stays with the server. */
async function nextHop(
  probe: Probe,
  { hop, location, status }: { hop: Hop; location: string; status: number },
): Promise<Hop> {
  const keepsMethod =
    status === 307 || status === 308 || hop.method === "GET" || hop.method === "HEAD";
  const method = keepsMethod ? hop.method : "GET";
  const body = status === 307 || status === 308 ? hop.body : undefined;
  if (!URL.canParse(location, hop.url))
    throw new Error(`cannot follow ${JSON.stringify(location)}`);
  const url = new URL(location, hop.url);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new Error(`cannot follow ${url.href}`);
  if (!/^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(location)) return { ...hop, url, method, body };
  const startMs = probe.monotonicMs();
  const [found] = await addressesOf(url.hostname.replace(/^\[(.*)\]$/, "$1"), probe.signal);
  if (found === undefined) throw new Error(`${url.hostname} has no address`);
  probe.add(DURATION, (probe.monotonicMs() - startMs) / 1000, "phase", "resolve");
  return {
    url,
    address: found.address,
    method,
    body,
    serverName: hostNameOf(url.host),
    host: url.host,
  };
}

function hostNameOf(host: string): string {
  return host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

async function bodyOf(module: HttpModule): Promise<Uint8Array | undefined> {
  if (module.bodyFile !== undefined) return await readFile(module.bodyFile);
  return module.body === undefined || module.body === "" ? undefined : Buffer.from(module.body);
}

function headerOf(module: HttpModule, wanted: string): string | undefined {
  for (const [name, value] of module.headers) if (name.toLowerCase() === wanted) return value;
  return undefined;
}

async function headersOf(
  module: HttpModule,
  about: { readonly hop: Hop; readonly jar: CookieJar; readonly isOwn: boolean },
): Promise<ReadonlyMap<string, string>> {
  const headers = new Map<string, string>();
  headers.set("User-Agent", "Blackbox Exporter/Finch");
  for (const [name, value] of module.headers) {
    const lower = name.toLowerCase();
    const isSecret =
      lower === "authorization" || lower === "cookie" || lower === "www-authenticate";
    if (lower === "host" || (isSecret && !about.isOwn)) continue;
    headers.delete(lower === "user-agent" ? "User-Agent" : name);
    headers.set(name, value);
  }
  const cookies = about.jar.cookiesFor(about.hop.url);
  if (cookies !== "" && !headers.has("Cookie")) headers.set("Cookie", cookies);
  if (!about.isOwn || headerOf(module, "authorization") !== undefined) return headers;
  const { basicAuth, authorization } = module;
  if (basicAuth !== undefined) {
    const password = basicAuth.password === undefined ? "" : await reveal(basicAuth.password);
    const pair = Buffer.from(`${basicAuth.username}:${password}`).toString("base64");
    headers.set("Authorization", `Basic ${pair}`);
  } else if (authorization !== undefined) {
    const credential = await reveal(authorization.credential);
    headers.set("Authorization", `${authorization.scheme} ${credential}`);
  }
  return headers;
}

async function reveal(credential: Credential): Promise<string> {
  if (credential.kind === "text") return credential.secret.reveal();
  return (await readFile(credential.path, "utf8")).trim();
}

async function judge(
  probe: Probe,
  { answer, isUnfollowed }: Followed,
  module: HttpModule,
): Promise<boolean> {
  let success = statusIsFine(probe, answer.status, module);
  const headerRules = module.failIfHeaderMatches.length + module.failIfHeaderNotMatches.length;
  if (success && headerRules > 0) {
    success = headersAreFine(probe, answer, module);
    probe.set(FAILED_REGEX, success ? 0 : 1);
  }
  const readMs = isUnfollowed ? undefined : await readBody(probe, { answer, module, success });
  if (readMs !== undefined) success = readMs.success;
  probe.add(DURATION, (probe.monotonicMs() - answer.responseStartMs) / 1000, "phase", "transfer");
  reportHead(probe, answer);
  if (module.validHttpVersions.length > 0 && !module.validHttpVersions.includes(answer.protocol))
    success = probe.fail(`${answer.protocol} is no valid version`);
  if (answer.tls !== undefined) {
    probe.set(SSL, 1);
    reportTls(probe, answer.tls);
    if (module.failIfSsl) success = probe.fail("the final request was over TLS");
  } else if (module.failIfNotSsl && success) {
    success = probe.fail("the final request was not over TLS");
  }
  return success;
}

function statusIsFine(probe: Probe, status: number, module: HttpModule): boolean {
  const valid = module.validStatusCodes;
  const isFine = valid.length > 0 ? valid.includes(status) : status >= 200 && status < 300;
  return isFine || probe.fail(`status ${status} is not ${valid.join(", ") || "2xx"}`);
}

function headersAreFine(probe: Probe, answer: Exchange, module: HttpModule): boolean {
  const check = (match: HeaderMatch, isWrong: (values: readonly string[]) => boolean) => {
    const values = answer.headers.get(match.header) ?? [];
    if (values.length === 0)
      return match.allowMissing || probe.fail(`header ${match.header} is missing`);
    return !isWrong(values) || probe.fail(`header ${match.header}: ${values.join(", ")}`);
  };
  return (
    module.failIfHeaderMatches.every((match) =>
      check(match, (values) => values.some((value) => match.regexp.test(value))),
    ) &&
    module.failIfHeaderNotMatches.every((match) =>
      check(match, (values) => !values.some((value) => match.regexp.test(value))),
    )
  );
}

/** Reads the body to its end; expressions look at it when all was well before. */
async function readBody(
  probe: Probe,
  { answer, module, success }: { answer: Exchange; module: HttpModule; success: boolean },
): Promise<{ readonly success: boolean }> {
  const rules = module.failIfBodyMatches.length + module.failIfBodyNotMatches.length;
  const isMatched = success && rules > 0;
  const chunks: Uint8Array[] = [];
  let size = 0;
  let isWhole = true;
  try {
    for await (const chunk of decompressed(answer.body, module) as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (module.bodySizeLimit > 0 && size > module.bodySizeLimit) {
        size = module.bodySizeLimit;
        throw new Error(`the body is larger than ${module.bodySizeLimit} bytes`);
      }
      if (!isMatched) continue;
      if (size > MATCHED_BODY_BYTES_MAX)
        throw new Error(`a body of more than ${MATCHED_BODY_BYTES_MAX} bytes is not matched`);
      chunks.push(chunk);
    }
  } catch (error) {
    isWhole = probe.fail(`cannot read the body: ${describeError(error)}`);
  }
  probe.set(BODY_LENGTH, size);
  if (!isMatched) return { success: success && isWhole };
  const isFine = isWhole && bodyIsFine(probe, Buffer.concat(chunks).toString("utf8"), module);
  probe.set(FAILED_REGEX, isFine ? 0 : 1);
  return { success: isFine };
}

function bodyIsFine(probe: Probe, body: string, module: HttpModule): boolean {
  if (module.failIfBodyMatches.some((regexp) => regexp.test(body)))
    return probe.fail("the body matches fail_if_body_matches_regexp");
  if (!module.failIfBodyNotMatches.every((regexp) => regexp.test(body)))
    return probe.fail("the body does not match fail_if_body_not_matches_regexp");
  return true;
}

function decompressed(body: Readable, { compression }: HttpModule): Readable {
  if (compression === "" || compression === "identity") return body;
  const decompressor =
    compression === "gzip"
      ? createGunzip()
      : compression === "br"
        ? createBrotliDecompress()
        : createInflateRaw();
  // Errors of either end show when the result is read.
  return pipeline(body, decompressor, () => {});
}

function reportHead(probe: Probe, answer: Exchange): void {
  probe.set(STATUS_CODE, answer.status);
  const length = answer.headers.get("content-length")?.[0];
  const isEmpty = answer.status === 204 || answer.status === 304;
  probe.set(CONTENT_LENGTH, length === undefined ? (isEmpty ? 0 : -1) : Number(length));
  probe.set(VERSION, Number(answer.protocol.slice("HTTP/".length)));
  const modified = Date.parse(answer.headers.get("last-modified")?.[0] ?? "");
  if (!Number.isNaN(modified)) probe.set(LAST_MODIFIED, Math.floor(modified / 1000));
}
