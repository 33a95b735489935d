/** Who a load-balancing exporter may send to: a fixed list, the addresses of a DNS name, or the endpoints of a Kubernetes service. */
import { lookup } from "node:dns/promises";
import { describeError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import { connectKubernetes } from "../kubernetes/connection.ts";
import { RESOURCES } from "../kubernetes/objects.ts";
import type { EndpointSlice } from "../kubernetes/objects.ts";
import type { KubernetesClient } from "../kubernetes/client.ts";
import { watchResource } from "../kubernetes/watch.ts";
import { untilAborted } from "../until-aborted.ts";

export type ResolverOptions =
  | { readonly kind: "static"; readonly hostnames: readonly string[] }
  | {
      readonly kind: "dns";
      readonly hostname: string;
      readonly port: string;
      readonly intervalMs: number;
    }
  | { readonly kind: "kubernetes"; readonly service: string; readonly ports: readonly number[] };

export interface ResolverHandler {
  /** `HOST:PORT` each. */
  readonly onEndpoints: (endpoints: readonly string[]) => void;
  /** The endpoints cannot be looked up now; those that are known stay. Called with undefined when they can again. */
  readonly onFault: (message: string | undefined) => void;
}

/** Looks for endpoints until `signal` aborts. Rejects when there is nobody to ask. */
export async function resolveEndpoints(
  options: ResolverOptions,
  handler: ResolverHandler,
  {
    clock,
    signal,
    connect = () => connectKubernetes(undefined),
  }: {
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly connect?: () => Promise<KubernetesClient>;
  },
): Promise<void> {
  switch (options.kind) {
    case "static":
      return handler.onEndpoints(options.hostnames.map((name) => withPort(name, "4317")));
    case "dns":
      return untilAborted(signal, async () => {
        await resolveOnce(options, handler);
        await clock.sleep(options.intervalMs, signal);
      });
    case "kubernetes": {
      using client = await connect();
      await watchService(client, options, { handler, clock, signal });
    }
  }
}

function withPort(host: string, port: string): string {
  return /^(?:[^:]+|\[[^\]]+\])$/.test(host) ? `${host}:${port}` : host;
}

async function resolveOnce(
  { hostname, port }: { readonly hostname: string; readonly port: string },
  { onEndpoints, onFault }: ResolverHandler,
): Promise<void> {
  try {
    const found = await lookup(hostname, { all: true });
    onFault(undefined);
    onEndpoints(
      found.map(({ address, family }) => `${family === 6 ? `[${address}]` : address}:${port}`),
    );
  } catch (error) {
    onFault(`cannot look up ${hostname}: ${describeError(error)}`);
  }
}

/** `NAME` in the agent's own namespace, or `NAME.NAMESPACE`. */
async function watchService(
  client: KubernetesClient,
  { service, ports }: { readonly service: string; readonly ports: readonly number[] },
  {
    handler,
    clock,
    signal,
  }: {
    readonly handler: ResolverHandler;
    readonly clock: Clock;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const [name = "", namespace = client.namespace] = service.split(".");
  const slices = new Map<string, EndpointSlice>();
  const publish = () => handler.onEndpoints(endpointsOf([...slices.values()], ports));
  await watchResource<EndpointSlice>(
    client,
    {
      resource: RESOURCES.endpointslice,
      namespace,
      labelSelector: `kubernetes.io/service-name=${name}`,
    },
    {
      replace: (items) => {
        slices.clear();
        for (const slice of items) slices.set(slice.metadata.name, slice);
        return Promise.resolve(publish());
      },
      change: (slice, { isDeleted }) => {
        if (isDeleted) slices.delete(slice.metadata.name);
        else slices.set(slice.metadata.name, slice);
        return Promise.resolve(publish());
      },
      fault: (error) =>
        handler.onFault(
          error === undefined ? undefined : `cannot watch ${service}: ${describeError(error)}`,
        ),
    },
    { clock, signal },
  );
}

function endpointsOf(slices: readonly EndpointSlice[], ports: readonly number[]): string[] {
  const endpoints = new Set<string>();
  for (const { endpoints: list, addressType } of slices)
    for (const { addresses, conditions } of list ?? []) {
      if (conditions?.ready === false) continue;
      for (const address of addresses)
        for (const port of ports)
          endpoints.add(`${addressType === "IPv6" ? `[${address}]` : address}:${port}`);
    }
  return [...endpoints];
}
