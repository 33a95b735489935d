/**
 * Where the Kubernetes API server is and who asks: the `client` arguments of components, a kubeconfig file, or the service account of the pod the
 * agent runs in.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describeError, FinchError } from "@finch/runtime";
import type { ArgumentFault } from "../component.ts";
import { DEFAULT_HTTP_CLIENT_OPTIONS } from "../http-client.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../http-client-schema.ts";
import { block, maybe } from "../schema.ts";
import type { ValuesOf } from "../schema.ts";
import { createKubernetesClient } from "./client.ts";
import type { KubernetesClient } from "./client.ts";
import { readKubeconfig } from "./kubeconfig.ts";

export const KUBERNETES_CLIENT_ARGUMENTS = {
  api_server: maybe("string", "URL of the API server; that of the agent's own cluster by default."),
  kubeconfig_file: maybe("string", "kubeconfig file with server and credentials."),
  ...HTTP_CLIENT_ARGUMENTS,
};

export type KubernetesClientArguments = ValuesOf<typeof KUBERNETES_CLIENT_ARGUMENTS>;

/** What a pod finds in its environment and on its disk. */
export interface PodSurroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Directory with `token`, `ca.crt` and `namespace`. */
  readonly serviceAccountDirectory: string;
}

/** The pod this process runs in, if it does. */
function ownSurroundings(): PodSurroundings {
  return {
    environment: process.env,
    serviceAccountDirectory: "/var/run/secrets/kubernetes.io/serviceaccount",
  };
}

/** Arguments that contradict each other, as Alloy says it. */
export function kubernetesClientFault(
  values: KubernetesClientArguments,
): ArgumentFault | undefined {
  const hasServer = values.api_server !== undefined;
  if (hasServer && values.kubeconfig_file !== undefined)
    return {
      at: "kubeconfig_file",
      message: "only one of api_server and kubeconfig_file can be set",
    };
  const custom = customArgument(values);
  if (custom !== undefined && values.kubeconfig_file !== undefined)
    return {
      at: custom,
      message: "custom HTTP client configuration is not allowed when kubeconfig_file is set",
    };
  if (custom !== undefined && !hasServer)
    return {
      at: custom,
      message: "api_server must be set when custom HTTP client configuration is provided",
    };
  if (hasServer && !/^https?:$/.test(URL.parse(values.api_server)?.protocol ?? ""))
    return {
      at: "api_server",
      message: `${JSON.stringify(values.api_server)} is not an http or https URL`,
    };
  try {
    httpClientOptions(values);
    return undefined;
  } catch (error) {
    return { message: describeError(error) };
  }
}

/** Faults of a component's `client` block, told at the block. */
export function clientBlockFault(
  client: KubernetesClientArguments | undefined,
): ArgumentFault | undefined {
  const fault = client === undefined ? undefined : kubernetesClientFault(client);
  if (fault === undefined) return undefined;
  return { ...fault, at: fault.at === undefined ? "client" : `client.${fault.at}` };
}

/** The `client` block of components. */
export const KUBERNETES_CLIENT_BLOCK = block(KUBERNETES_CLIENT_ARGUMENTS, {
  repeat: "optional",
  doc: "How to reach the API server; that of the agent's own cluster by default.",
});

/** The first argument of the HTTP client that differs from its default. */
function customArgument(values: KubernetesClientArguments): string | undefined {
  const names = [
    "bearer_token",
    "bearer_token_file",
    "basic_auth",
    "authorization",
    "tls_config",
    "http_headers",
  ] as const;
  const written = names.find((name) => values[name] !== undefined);
  return written ?? (values.follow_redirects ? undefined : "follow_redirects");
}

/** Throws `agent/kubernetes-server` when there is no server to be found. */
export async function connectKubernetes(
  values: KubernetesClientArguments | undefined,
  surroundings: PodSurroundings = ownSurroundings(),
): Promise<KubernetesClient> {
  if (values?.kubeconfig_file !== undefined)
    return createKubernetesClient(await readKubeconfig(values.kubeconfig_file));
  const namespace = await ownNamespace(surroundings);
  if (values?.api_server !== undefined)
    return createKubernetesClient({
      server: values.api_server,
      namespace,
      http: httpClientOptions(values),
    });
  return createKubernetesClient({ ...inCluster(surroundings), namespace });
}

function inCluster({ environment, serviceAccountDirectory: directory }: PodSurroundings) {
  const host = environment["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = environment["KUBERNETES_SERVICE_PORT"] ?? "";
  if (host === "" || port === "")
    throw new FinchError(
      "invalid",
      "agent/kubernetes-server",
      "the agent does not run in a pod (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set); name api_server or kubeconfig_file",
    );
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    http: {
      ...DEFAULT_HTTP_CLIENT_OPTIONS,
      authentication: {
        kind: "scheme",
        scheme: "Bearer",
        credential: { kind: "file", path: join(directory, "token") },
      },
      tls: {
        caPem: undefined,
        caFile: join(directory, "ca.crt"),
        certPem: undefined,
        certFile: undefined,
        keyPem: undefined,
        keyFile: undefined,
        serverName: undefined,
        insecureSkipVerify: false,
        minVersion: undefined,
      },
    },
  } as const;
}

async function ownNamespace(surroundings: PodSurroundings): Promise<string | undefined> {
  try {
    const path = join(surroundings.serviceAccountDirectory, "namespace");
    return (await readFile(path, "utf8")).trim();
  } catch {
    return undefined;
  }
}
