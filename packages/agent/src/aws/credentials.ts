/**
 * Where AWS credentials come from, in the order of AWS's own SDKs: given, the environment, a web identity (EKS), the shared file, the container
 * (ECS, EKS pod identity), the instance (EC2, IMDSv2); and the role that is assumed with them. Those that end are asked for again in time.
 */
import { homedir } from "node:os";
import { join } from "node:path";
import { FinchError } from "@finch/runtime";
import type { Secret } from "../schema.ts";
import { signatureHeaders, type AwsCredentials } from "./signature.ts";

export interface AwsCredentialOptions {
  readonly region: string;
  /** Both or none of them. */
  readonly keys: AwsCredentials | undefined;
  /** Section of the shared file; empty: that of `AWS_PROFILE`, or `default`. */
  readonly profile: string;
  /** Role to assume; empty: none. */
  readonly roleArn: string;
  readonly externalId: string;
  readonly usesFips: boolean;
}

export interface AwsRequest {
  readonly method: "GET" | "PUT";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What the search for credentials touches. */
export interface AwsSurroundings {
  readonly env: (name: string) => string | undefined;
  /** Rejects when there is no such file. */
  readonly readFile: (path: string) => Promise<string>;
  readonly ask: (
    request: AwsRequest,
  ) => Promise<{ readonly status: number; readonly text: string }>;
  readonly nowMs: () => number;
}

/** Credentials, and when they end (Unix milliseconds); Infinity: never. */
interface Found {
  readonly credentials: AwsCredentials;
  readonly endsMs: number;
}

/** New ones are asked for so long before the old ones end: requests are on their way meanwhile. */
const EXPIRY_MARGIN_MS = 5 * 60_000;
/** Those without an end may change where they are kept. */
const KEPT_MS = 15 * 60_000;
const CONTAINER_HOST = "http://169.254.170.2";
const INSTANCE_HOST = "http://169.254.169.254";
const INSTANCE_TOKEN_SECONDS = 21_600;

/** Gives credentials that are valid now; rejects with `unavailable` when there are none. */
export function createAwsCredentials(
  options: AwsCredentialOptions,
  surroundings: AwsSurroundings,
): () => Promise<AwsCredentials> {
  const { nowMs } = surroundings;
  let kept: (Found & { readonly usableUntilMs: number }) | undefined;
  let asking: Promise<AwsCredentials> | undefined;
  const ask = async () => {
    const found = await new CredentialSearch(options, surroundings).find();
    const usableUntilMs = Math.min(found.endsMs - EXPIRY_MARGIN_MS, nowMs() + KEPT_MS);
    kept = { ...found, usableUntilMs };
    return found.credentials;
  };
  return async () => {
    if (kept !== undefined && nowMs() < kept.usableUntilMs) return kept.credentials;
    asking ??= ask().finally(() => (asking = undefined));
    return await asking;
  };
}

class CredentialSearch {
  readonly #options: AwsCredentialOptions;
  readonly #around: AwsSurroundings;

  constructor(options: AwsCredentialOptions, around: AwsSurroundings) {
    this.#options = options;
    this.#around = around;
  }

  async find(): Promise<Found> {
    const own = await this.#own();
    return this.#options.roleArn === "" ? own : await this.#assumeRole(own.credentials);
  }

  async #own(): Promise<Found> {
    const { keys } = this.#options;
    if (keys !== undefined) return { credentials: keys, endsMs: Infinity };
    const found =
      this.#fromEnvironment() ??
      (await this.#fromWebIdentity()) ??
      (await this.#fromFile()) ??
      (await this.#fromContainer()) ??
      (await this.#fromInstance());
    if (found !== undefined) return found;
    throw noCredentials(
      "none are given, and neither the environment, the shared file, the container nor the instance has any",
    );
  }

  #fromEnvironment(): Found | undefined {
    const { env } = this.#around;
    const credentials = credentialsOf(
      env("AWS_ACCESS_KEY_ID"),
      env("AWS_SECRET_ACCESS_KEY"),
      env("AWS_SESSION_TOKEN"),
    );
    return this.#options.profile === "" && credentials !== undefined
      ? { credentials, endsMs: Infinity }
      : undefined;
  }

  async #fromWebIdentity(): Promise<Found | undefined> {
    const { env, readFile } = this.#around;
    const file = env("AWS_WEB_IDENTITY_TOKEN_FILE");
    const role = env("AWS_ROLE_ARN");
    if (this.#options.profile !== "" || file === undefined || role === undefined) return undefined;
    const token = (await readFile(file)).trim();
    return await this.#askSts({
      Action: "AssumeRoleWithWebIdentity",
      RoleArn: role,
      WebIdentityToken: token,
      RoleSessionName: env("AWS_ROLE_SESSION_NAME") ?? "finch",
    });
  }

  async #fromFile(): Promise<Found | undefined> {
    const { env, readFile } = this.#around;
    const path = env("AWS_SHARED_CREDENTIALS_FILE") ?? join(homedir(), ".aws", "credentials");
    const profile = this.#options.profile || (env("AWS_PROFILE") ?? "default");
    const text = await readFile(path).catch(() => undefined);
    const section = text === undefined ? undefined : iniSection(text, profile);
    const credentials = credentialsOf(
      section?.get("aws_access_key_id"),
      section?.get("aws_secret_access_key"),
      section?.get("aws_session_token"),
    );
    if (credentials !== undefined) return { credentials, endsMs: Infinity };
    if (this.#options.profile === "") return undefined;
    throw noCredentials(`${path} has no keys of the profile ${profile}`);
  }

  async #fromContainer(): Promise<Found | undefined> {
    const { env, readFile } = this.#around;
    const path = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const url =
      path === undefined ? env("AWS_CONTAINER_CREDENTIALS_FULL_URI") : `${CONTAINER_HOST}${path}`;
    if (url === undefined) return undefined;
    const file = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const token =
      file === undefined ? env("AWS_CONTAINER_AUTHORIZATION_TOKEN") : (await readFile(file)).trim();
    const headers: Record<string, string> = token === undefined ? {} : { authorization: token };
    return foundIn(await this.#ask({ method: "GET", url, headers }), url);
  }

  /** Undefined when this is no instance of EC2, or it has no role. */
  async #fromInstance(): Promise<Found | undefined> {
    const { env } = this.#around;
    if (env("AWS_EC2_METADATA_DISABLED")?.toLowerCase() === "true") return undefined;
    const host = env("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? INSTANCE_HOST;
    const base = `${host.replace(/\/$/, "")}/latest`;
    const roles = `${base}/meta-data/iam/security-credentials/`;
    const seconds = String(INSTANCE_TOKEN_SECONDS);
    const token = await this.#ask({
      method: "PUT",
      url: `${base}/api/token`,
      headers: { "x-aws-ec2-metadata-token-ttl-seconds": seconds },
    }).catch(() => undefined);
    if (token === undefined) return undefined;
    const headers = { "x-aws-ec2-metadata-token": token };
    const role = await this.#ask({ method: "GET", url: roles, headers }).catch(() => undefined);
    if (role === undefined || role.trim() === "") return undefined;
    const url = `${roles}${role.trim().split("\n")[0]}`;
    return foundIn(await this.#ask({ method: "GET", url, headers }), url);
  }

  async #assumeRole(own: AwsCredentials): Promise<Found> {
    const { roleArn, externalId } = this.#options;
    const parameters = {
      Action: "AssumeRole",
      RoleArn: roleArn,
      RoleSessionName: "finch",
      ...(externalId === "" ? {} : { ExternalId: externalId }),
    };
    return await this.#askSts(parameters, own);
  }

  async #askSts(
    parameters: Readonly<Record<string, string>>,
    signer?: AwsCredentials,
  ): Promise<Found> {
    const { region, usesFips } = this.#options;
    const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
    const service = usesFips ? "sts-fips" : "sts";
    const url = new URL(
      this.#around.env("AWS_ENDPOINT_URL_STS") ?? `https://${service}.${region}.${domain}/`,
    );
    url.search = new URLSearchParams({ ...parameters, Version: "2011-06-15" }).toString();
    const request = { method: "GET", url, body: undefined } as const;
    const headers =
      signer === undefined
        ? {}
        : signatureHeaders(request, signer, { region, service: "sts" }, this.#around.nowMs());
    const text = await this.#ask({ method: "GET", url: url.href, headers });
    const part = (name: string) =>
      new RegExp(`<${name}>\\s*([^<]*?)\\s*</${name}>`).exec(text)?.[1];
    const credentials = credentialsOf(
      part("AccessKeyId"),
      part("SecretAccessKey"),
      part("SessionToken"),
    );
    const endsMs = Date.parse(part("Expiration") ?? "");
    if (credentials === undefined || Number.isNaN(endsMs))
      throw noCredentials(`${url.origin} answers ${parameters["Action"]} without any`);
    return { credentials, endsMs };
  }

  async #ask(request: AwsRequest): Promise<string> {
    const { status, text } = await this.#around.ask(request);
    if (status === 200) return text;
    const { origin, pathname } = new URL(request.url);
    const said = text.replaceAll(/\s+/g, " ").trim().slice(0, 256);
    throw noCredentials(`${origin}${pathname} answers with status ${status}: ${said}`);
  }
}

function credentialsOf(
  accessKey: string | undefined,
  secretKey: string | undefined,
  sessionToken: string | undefined,
): AwsCredentials | undefined {
  if (!accessKey || !secretKey) return undefined;
  return {
    accessKey,
    secretKey: secretOf(secretKey),
    ...(sessionToken ? { sessionToken: secretOf(sessionToken) } : {}),
  };
}

function secretOf(text: string): Secret {
  return { reveal: () => text };
}

/** Credentials as containers and instances answer them: JSON with `AccessKeyId`, `SecretAccessKey`, `Token`, `Expiration`. */
function foundIn(text: string, url: string): Found {
  let answer: Readonly<Record<string, unknown>>;
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw noCredentials(`${url} answers with something else than JSON`);
  }
  const part = (name: string) => {
    const value = answer[name];
    return typeof value === "string" ? value : undefined;
  };
  const credentials = credentialsOf(part("AccessKeyId"), part("SecretAccessKey"), part("Token"));
  if (credentials === undefined) throw noCredentials(`${url} answers without any`);
  const endsMs = Date.parse(part("Expiration") ?? "");
  return { credentials, endsMs: Number.isNaN(endsMs) ? Infinity : endsMs };
}

/** The keys of a section of an INI file, in lower case. */
function iniSection(text: string, wanted: string): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  let section = "";
  for (const line of text.split(/\r?\n/).map((one) => one.trim())) {
    if (line.startsWith("#") || line.startsWith(";")) continue;
    const header = /^\[\s*(?:profile\s+)?(.*?)\s*\]$/.exec(line)?.[1];
    const equals = line.indexOf("=");
    if (header !== undefined) section = header;
    else if (section === wanted && equals > 0)
      keys.set(line.slice(0, equals).trim().toLowerCase(), line.slice(equals + 1).trim());
  }
  return keys;
}

function noCredentials(why: string): FinchError {
  return new FinchError("unavailable", "agent/aws-credentials", `no credentials of AWS: ${why}`);
}
