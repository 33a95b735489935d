/** A small authored cluster for the tests of `prometheus.operator.*`: one service with one pod whose metrics a real server of the test answers. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { KubernetesApi } from "./kubernetes-api.ts";
import type { KubernetesList, ListedObject } from "./kubernetes-api.ts";

export const PATHS = {
  serviceMonitors: "/apis/monitoring.coreos.com/v1/servicemonitors",
  podMonitors: "/apis/monitoring.coreos.com/v1/podmonitors",
  probes: "/apis/monitoring.coreos.com/v1/probes",
  scrapeConfigs: "/apis/monitoring.coreos.com/v1alpha1/scrapeconfigs",
  endpoints: "/api/v1/namespaces/shop/endpoints",
  endpointslices: "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices",
  services: "/api/v1/namespaces/shop/services",
  pods: "/api/v1/namespaces/shop/pods",
  ingresses: "/apis/networking.k8s.io/v1/namespaces/shop/ingresses",
  nodes: "/api/v1/nodes",
};

export interface MetricsTarget extends AsyncDisposable {
  readonly port: number;
  readonly requests: IncomingMessage[];
}

/** Answers every request with the same page. */
export async function startMetrics(
  page: string,
  type = "text/plain; version=0.0.4",
): Promise<MetricsTarget> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    response.writeHead(200, { "content-type": type }).end(page);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export function listOf(...items: ListedObject[]): KubernetesList {
  return { metadata: { resourceVersion: "100" }, items };
}

export function object(name: string, spec: object, metadata: object = {}): ListedObject {
  return {
    metadata: { name, namespace: "shop", uid: `uid-${name}`, resourceVersion: "1", ...metadata },
    spec,
  };
}

/** Service `cart` in namespace `shop`, behind it pod `cart-0`, whose port `http-metrics` is that of the target. */
export async function startCluster(target: { readonly port: number }): Promise<KubernetesApi> {
  const { port } = target;
  const api = await KubernetesApi.start();
  const pod = {
    ...object(
      "cart-0",
      {
        nodeName: "node-1",
        containers: [{ name: "main", ports: [{ name: "http-metrics", containerPort: port }] }],
      },
      { labels: { app: "cart", "release/version": "7" } },
    ),
    status: { podIP: "127.0.0.1", phase: "Running" },
  };
  const service = object(
    "cart",
    { type: "ClusterIP", clusterIP: "10.0.0.1", ports: [{ name: "metrics", port: 80 }] },
    { labels: { app: "cart", team: "blue" } },
  );
  const targetRef = { kind: "Pod", name: "cart-0", namespace: "shop" };
  const endpoints = {
    metadata: { name: "cart", namespace: "shop", resourceVersion: "1", labels: { app: "cart" } },
    subsets: [{ addresses: [{ ip: "127.0.0.1", targetRef }], ports: [{ name: "metrics", port }] }],
  };
  const slice = {
    metadata: {
      name: "cart-x",
      namespace: "shop",
      resourceVersion: "1",
      labels: { "kubernetes.io/service-name": "cart" },
    },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true }, targetRef }],
    ports: [{ name: "metrics", port, protocol: "TCP" }],
  };
  const node = {
    metadata: { name: "node-1", labels: { zone: "a" }, resourceVersion: "1" },
    spec: {},
    status: {},
  };
  const ingress = object("front", {
    tls: [{ hosts: ["shop.example"] }],
    rules: [{ host: "shop.example", http: { paths: [{ path: "/health" }] } }],
  });
  api.lists.set(PATHS.pods, listOf(pod));
  api.lists.set(PATHS.services, listOf(service));
  api.lists.set(PATHS.endpoints, listOf(endpoints));
  api.lists.set(PATHS.endpointslices, listOf(slice));
  api.lists.set(PATHS.nodes, listOf(node));
  api.lists.set(PATHS.ingresses, listOf(ingress));
  return api;
}

/** Secrets and ConfigMaps of namespace `shop` by kind and name, with their values as they are meant. */
export function serveSecrets(
  api: KubernetesApi,
  objects: Readonly<Record<string, Readonly<Record<string, string>>>>,
): void {
  api.answer = ({ pathname }, response) => {
    const [, kind, name] =
      /^\/api\/v1\/namespaces\/shop\/(secret|configmap)s\/(.+)$/.exec(pathname) ?? [];
    const data = objects[`${kind} ${name}`];
    if (data === undefined) return false;
    const encode = (text: string) =>
      kind === "secret" ? Buffer.from(text).toString("base64") : text;
    const entries = Object.entries(data).map(([key, text]) => [key, encode(text)]);
    response.end(JSON.stringify({ metadata: { name }, data: Object.fromEntries(entries) }));
    return true;
  };
}
