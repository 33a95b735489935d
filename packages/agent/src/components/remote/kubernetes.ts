/** `remote.kubernetes.secret` and `remote.kubernetes.configmap`: export what a Secret or ConfigMap holds, and look again from time to time. */
import { Secret } from "@finch/alloy-syntax";
import { runSessions } from "../../argument-sessions.ts";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import {
  clientBlockFault,
  connectKubernetes,
  KUBERNETES_CLIENT_BLOCK,
} from "../../kubernetes/connection.ts";
import { resourcePath, RESOURCES } from "../../kubernetes/objects.ts";
import type { KubernetesObject } from "../../kubernetes/objects.ts";
import { optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

const ARGUMENTS = {
  namespace: required("string", "Namespace of the object."),
  name: required("string", "Name of the object."),
  poll_frequency: optional("duration", 60_000, "How often it is read again.", { min: 1 }),
  poll_timeout: optional("duration", 15_000, "How long the server has to answer.", { min: 1 }),
  client: KUBERNETES_CLIENT_BLOCK,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

interface DataObject extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>> | null;
  /** Of a ConfigMap, in base64. */
  readonly binaryData?: Readonly<Record<string, string>> | null;
}

function fromBase64(text: string): string {
  return Buffer.from(text, "base64").toString();
}

function mapValues<From, To>(
  fields: Readonly<Record<string, From>> | null | undefined,
  convert: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(
    Object.entries(fields ?? {}).map(([key, value]) => [key, convert(value)]),
  );
}

function checkArguments(values: Arguments): ArgumentFault | undefined {
  return clientBlockFault(values.client);
}

export const kubernetesSecret = defineComponent({
  name: "remote.kubernetes.secret",
  stability: "generally-available",
  summary: "Exports the data of a Kubernetes Secret, as secrets.",
  arguments: ARGUMENTS,
  exports: { data: "The values by key; `convert.nonsensitive` makes one readable." },
  check: checkArguments,
  run: (context: ComponentContext<Arguments, { readonly data: object }>, signal) =>
    poll(context, signal, "secret", (object) => ({
      data: mapValues(object.data, (text) => new Secret(fromBase64(text))),
    })),
});

export const kubernetesConfigmap = defineComponent({
  name: "remote.kubernetes.configmap",
  stability: "generally-available",
  summary: "Exports the data of a Kubernetes ConfigMap.",
  arguments: ARGUMENTS,
  exports: { data: "The values by key." },
  check: checkArguments,
  run: (context: ComponentContext<Arguments, { readonly data: object }>, signal) =>
    poll(context, signal, "configmap", (object) => ({
      data: { ...object.data, ...mapValues(object.binaryData, fromBase64) },
    })),
});

async function poll<Exports>(
  context: ComponentContext<Arguments, Exports>,
  signal: AbortSignal,
  kind: "secret" | "configmap",
  toExports: (object: DataObject) => Exports,
): Promise<void> {
  const resource = RESOURCES[kind];
  await runSessions(context, signal, async (values, session) => {
    using client = await connectKubernetes(values.client);
    while (!session.aborted) {
      const path = resourcePath(resource.roots[0]!, resource, values.namespace);
      const object = await client.get({
        action: { verb: "get", resource: `${kind} ${values.name}`, namespace: values.namespace },
        path: `${path}/${encodeURIComponent(values.name)}`,
        timeoutMs: values.poll_timeout,
        signal: session,
      });
      context.setExports(toExports(object as DataObject));
      context.setHealth("healthy", `read ${kind} ${values.namespace}/${values.name}`);
      await context.clock.sleep(values.poll_frequency, session);
    }
  });
}
