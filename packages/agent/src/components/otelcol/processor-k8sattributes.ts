/** `otelcol.processor.k8sattributes`: adds what Kubernetes knows of a pod to the resources of its telemetry. */
import { homedir } from "node:os";
import { join } from "node:path";
import { FinchError } from "@finch/runtime";
import { runSessions } from "../../argument-sessions.ts";
import { defineComponent, type ComponentContext } from "../../component.ts";
import { addSenderAddress, AttributeSource } from "../../kubernetes/attribute-source.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import { connectKubernetes, KUBERNETES_CLIENT_ARGUMENTS } from "../../kubernetes/connection.ts";
import { RESOURCES, type Pod } from "../../kubernetes/objects.ts";
import { PodTable } from "../../kubernetes/pod-table.ts";
import { SharedWatches } from "../../kubernetes/shared-watches.ts";
import { watchResource } from "../../kubernetes/watch.ts";
import { changeResources } from "../../otel/each-item.ts";
import { createConsumer, emit } from "../../otel/output.ts";
import { ALL_SIGNALS, type ProcessorExports } from "../../otel/run-processor.ts";
import { defaultsOf } from "../../schema.ts";
import { unlessAborted } from "../../until-aborted.ts";
import {
  ARGUMENTS,
  associationsOf,
  exclusionOf,
  findFault,
  rulesOf,
  selectorsOf,
  type Arguments,
} from "./k8sattributes-arguments.ts";

type Context = ComponentContext<Arguments, ProcessorExports>;
type Connect = (values: Arguments) => Promise<KubernetesClient>;

/** Completes the attributes of a resource; `address` is the sender's, empty where it is not known. */
type Complete = (
  attributes: Parameters<AttributeSource["complete"]>[0],
  address: string,
) => boolean;

export const processorK8sattributes = createK8sAttributes(connectOwn);

/** The component, with a way to the API server. */
export function createK8sAttributes(connect: Connect) {
  return defineComponent<typeof ARGUMENTS, ProcessorExports>({
    name: "otelcol.processor.k8sattributes",
    stability: "generally-available",
    summary: "Adds what Kubernetes knows of pods to the resources of their telemetry.",
    arguments: ARGUMENTS,
    exports: { input: "Takes traces, metrics and logs." },
    check: findFault,
    run: (context, signal) => run(context, connect, signal),
  });
}

/** The service account of the agent's pod, or the file that kubectl reads. */
async function connectOwn(values: Arguments): Promise<KubernetesClient> {
  if (values.auth_type === "serviceAccount") return await connectKubernetes(undefined);
  const file = process.env["KUBECONFIG"] || join(homedir(), ".kube", "config");
  const defaults = defaultsOf(KUBERNETES_CLIENT_ARGUMENTS);
  return await connectKubernetes({ ...defaults, kubeconfig_file: file });
}

async function run(context: Context, connect: Connect, signal: AbortSignal): Promise<void> {
  let complete: Complete = () => false;
  const known = context.metrics.counter(
    "otelcol_processor_k8sattributes_pod_association_total",
    "Resources whose pod was looked for.",
    { status: "success" },
  );
  const unknown = context.metrics.counter(
    "otelcol_processor_k8sattributes_pod_association_total",
    "Resources whose pod was looked for.",
    { status: "error" },
  );
  const input = createConsumer(context, ALL_SIGNALS, async (batch, consumeSignal) => {
    const { address } = batch.client;
    const changed = changeResources(batch, ({ attributes }) =>
      (complete(attributes, address) ? known : unknown).add(1),
    );
    await emit(context, changed, consumeSignal);
  });
  const publish = (next: Complete) => {
    complete = next;
    context.setExports({ input });
  };
  if (!context.arguments().wait_for_metadata) publish(complete);
  await runSessions(context, signal, async (values, session) => {
    const associations = associationsOf(values);
    if (values.passthrough) {
      publish((attributes, address) => {
        addSenderAddress(attributes, address, associations);
        return true;
      });
      context.setHealth("healthy", "passing addresses on");
      return;
    }
    await watchPods(context, values, { connect, publish, session });
  });
}

interface Session {
  readonly connect: Connect;
  readonly publish: (complete: Complete) => void;
  readonly session: AbortSignal;
}

async function watchPods(
  context: Context,
  values: Arguments,
  { connect, publish, session }: Session,
): Promise<void> {
  using client = await connect(values);
  const rules = rulesOf(values);
  const associations = associationsOf(values);
  const synced = Promise.withResolvers<void>();
  const over = new AbortController();
  const report = () => {
    const isSynced = Object.values(related).every((cache) => cache?.isSynced !== false);
    if (pods.isSynced && isSynced) synced.resolve();
    const troubles = [...(pods.trouble === undefined ? [] : [pods.trouble]), ...watches.troubles];
    if (troubles.length > 0) context.setHealth("unhealthy", troubles.join("; "));
    else context.setHealth("healthy", `${pods.size} pods`);
  };
  const pods = new PodTable({
    rules,
    associations,
    isExcluded: exclusionOf(values),
    graceMs: values.pod_delete_grace_period,
    clock: context.clock,
    onChange: report,
  });
  await using watches = new SharedWatches(client, { clock: context.clock, onChange: report });
  const related = relatedCaches(watches, rules, selectorsOf(values).namespace);
  const source = new AttributeSource({ pods, rules, associations, related });
  const watching = watchResource<Pod>(
    client,
    { resource: RESOURCES.pod, ...selectorsOf(values) },
    pods,
    { clock: context.clock, signal: AbortSignal.any([session, over.signal]) },
  );
  try {
    if (values.wait_for_metadata) await waitFor(synced.promise, context, values, session);
    publish((attributes, address) => source.complete(attributes, address));
    await watching;
  } finally {
    over.abort(new Error("the session is over"));
    await watching;
  }
}

/** Rejects when the pods are not known in time; the session is tried again then. */
async function waitFor(
  synced: Promise<void>,
  context: Context,
  { wait_for_metadata_timeout: timeoutMs }: Arguments,
  session: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const late = context.clock.sleep(timeoutMs, AbortSignal.any([session, over.signal])).then(() => {
    throw new FinchError(
      "timeout",
      "agent/k8sattributes-metadata",
      `the pods are not known after ${timeoutMs / 1000} s: no telemetry is taken until they are`,
    );
  });
  late.catch(() => {});
  try {
    await Promise.race([unlessAborted(synced, session), late]);
  } finally {
    over.abort();
  }
}

/** Only what the rules ask for is watched: each kind needs a right of its own. */
function relatedCaches(
  watches: SharedWatches,
  { metadata, fields }: ReturnType<typeof rulesOf>,
  namespace: string | undefined,
) {
  const asks = (from: string) => fields.some((rule) => rule.from === from);
  return {
    namespaces:
      asks("namespace") || metadata.has("k8s.cluster.uid")
        ? watches.cache({ resource: RESOURCES.namespace })
        : undefined,
    nodes:
      asks("node") || metadata.has("k8s.node.uid")
        ? watches.cache<never>({ resource: RESOURCES.node })
        : undefined,
    replicaSets: metadata.has("k8s.deployment.uid")
      ? watches.cache({ resource: RESOURCES.replicaset, namespace })
      : undefined,
    jobs: metadata.has("k8s.cronjob.uid")
      ? watches.cache({ resource: RESOURCES.job, namespace })
      : undefined,
  };
}
