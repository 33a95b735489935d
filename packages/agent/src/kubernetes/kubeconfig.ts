/**
 * Reads kubeconfig files: the current context's cluster and user, as options of the HTTP client.
 * @see https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Secret } from "@finch/alloy-syntax";
import { FinchError } from "@finch/runtime";
import type { Authentication, HttpClientOptions } from "../http-client.ts";
import type { TlsOptions } from "../http-tls.ts";
import { DEFAULT_HTTP_CLIENT_OPTIONS } from "../http-client.ts";

export interface KubeconfigConnection {
  readonly server: string;
  readonly namespace: string | undefined;
  readonly http: HttpClientOptions;
}

type Fields = Readonly<Record<string, unknown>>;

/** Throws `agent/kubeconfig` with the path and what is wrong, or what of it is not supported. */
export async function readKubeconfig(path: string): Promise<KubeconfigConnection> {
  const { parse } = await import("yaml");
  let root: Fields;
  try {
    root = fieldsOf(parse(await readFile(path, "utf8")));
  } catch (cause) {
    throw new FinchError("invalid", "agent/kubeconfig", `cannot read the kubeconfig ${path}`, {
      cause,
    });
  }
  return new KubeconfigReader(path, root).connection();
}

class KubeconfigReader {
  readonly #path: string;
  readonly #root: Fields;

  constructor(path: string, root: Fields) {
    this.#path = path;
    this.#root = root;
  }

  connection(): KubeconfigConnection {
    const name = text(this.#root, "current-context");
    if (name === undefined) throw this.#fault("it names no current-context");
    const context = this.#entry("contexts", "context", name);
    const cluster = this.#entry("clusters", "cluster", text(context, "cluster") ?? "");
    const userName = text(context, "user");
    const user = userName === undefined ? {} : this.#entry("users", "user", userName);
    const server = text(cluster, "server");
    if (server === undefined) throw this.#fault(`the cluster of ${name} has no server`);
    if (text(cluster, "proxy-url") !== undefined)
      throw this.#fault("not supported yet: proxy-url", { isUnsupported: true });
    return {
      server,
      namespace: text(context, "namespace"),
      http: {
        ...DEFAULT_HTTP_CLIENT_OPTIONS,
        authentication: this.#authentication(user),
        tls: this.#tls(cluster, user),
      },
    };
  }

  /** One of a named list, such as the context of `contexts` that is called `name`. */
  #entry(list: string, kind: string, name: string): Fields {
    const entries = this.#root[list];
    for (const entry of Array.isArray(entries) ? entries : []) {
      const fields = fieldsOf(entry);
      if (fields["name"] === name) return fieldsOf(fields[kind]);
    }
    throw this.#fault(`there is no ${kind} ${JSON.stringify(name)}`);
  }

  #authentication(user: Fields): Authentication {
    for (const kind of ["exec", "auth-provider"])
      if (user[kind] !== undefined)
        throw this.#fault(
          `not supported yet: a user that authenticates by ${kind}; use a token or a client certificate`,
          { isUnsupported: true },
        );
    const tokenFile = text(user, "tokenFile");
    const token = text(user, "token");
    if (tokenFile !== undefined)
      return {
        kind: "scheme",
        scheme: "Bearer",
        credential: { kind: "file", path: this.#resolve(tokenFile) },
      };
    if (token !== undefined)
      return {
        kind: "scheme",
        scheme: "Bearer",
        credential: { kind: "text", secret: new Secret(token) },
      };
    const username = text(user, "username");
    if (username === undefined) return { kind: "none" };
    const password = text(user, "password") ?? "";
    return {
      kind: "basic",
      username,
      password: { kind: "text", secret: new Secret(password) },
    };
  }

  #tls(cluster: Fields, user: Fields): TlsOptions {
    const keyPem = decoded(user, "client-key-data");
    return {
      caPem: decoded(cluster, "certificate-authority-data"),
      caFile: this.#file(cluster, "certificate-authority"),
      certPem: decoded(user, "client-certificate-data"),
      certFile: this.#file(user, "client-certificate"),
      keyPem: keyPem === undefined ? undefined : new Secret(keyPem),
      keyFile: this.#file(user, "client-key"),
      serverName: text(cluster, "tls-server-name"),
      insecureSkipVerify: cluster["insecure-skip-tls-verify"] === true,
      minVersion: undefined,
    };
  }

  #file(fields: Fields, name: string): string | undefined {
    const path = text(fields, name);
    return path === undefined ? undefined : this.#resolve(path);
  }

  /** Paths count from the directory of the file they stand in. */
  #resolve(path: string): string {
    return resolve(dirname(this.#path), path);
  }

  #fault(message: string, { isUnsupported = false } = {}): FinchError {
    return new FinchError(
      isUnsupported ? "unsupported" : "invalid",
      "agent/kubeconfig",
      `kubeconfig ${this.#path}: ${message}`,
    );
  }
}

function fieldsOf(value: unknown): Fields {
  if (value === null || value === undefined) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw new Error("expected a map");
  return value as Fields;
}

function text(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function decoded(fields: Fields, name: string): string | undefined {
  const value = text(fields, name);
  return value === undefined ? undefined : Buffer.from(value, "base64").toString();
}
