/** `loki.source.podlogs`: follows the logs of pods that PodLogs objects of the cluster select, through the API server. */
import { describeError } from "@finch/runtime";
import { runSessions } from "../../argument-sessions.ts";
import { CLUSTERING_ARGUMENTS } from "../../clustering.ts";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import {
  clientBlockFault,
  connectKubernetes,
  KUBERNETES_CLIENT_BLOCK,
} from "../../kubernetes/connection.ts";
import {
  formatLabelSelector,
  matchesSelector,
  selectorBlock,
  selectorFault,
  selectorOf,
} from "../../kubernetes/label-selector.ts";
import type { ObjectCache } from "../../kubernetes/object-cache.ts";
import { RESOURCES } from "../../kubernetes/objects.ts";
import type { KubernetesObject, Pod, Resource } from "../../kubernetes/objects.ts";
import { podLogsTargets } from "../../kubernetes/pod-logs-targets.ts";
import type { PodLogsObject } from "../../kubernetes/pod-logs-targets.ts";
import { SharedWatches } from "../../kubernetes/shared-watches.ts";
import { writtenRelabelings } from "../../prometheus-operator/relabelings.ts";
import { compileRules } from "../../relabel.ts";
import type { RelabelRule } from "../../relabel.ts";
import { block, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import { containerOf, keyOf, PodLogFollower } from "./pod-log-follower.ts";
import type { WantedLog } from "./pod-log-follower.ts";

const ARGUMENTS = {
  forward_to: required("list(logs-receiver)", "Where the lines go."),
  preserve_discovered_labels: optional(
    "bool",
    false,
    "Keep the `__meta_…` labels at the lines, for the components behind; sinks drop them.",
  ),
  tail_from_end: optional(
    "bool",
    false,
    "Read logs that are found for the first time from now on only.",
  ),
  client: KUBERNETES_CLIENT_BLOCK,
  selector: selectorBlock("Which PodLogs are looked at; all by default."),
  namespace_selector: selectorBlock("In which namespaces PodLogs are looked at; all by default."),
  node_filter: block(
    {
      enabled: optional("bool", false, "Follow pods of one node only."),
      node_name: optional("string", "", "Name of the node; that in $NODE_NAME by default."),
    },
    { repeat: "optional", doc: "Pods of one node only, for an agent on each." },
  ),
  ...CLUSTERING_ARGUMENTS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, object>;

const POD_LOGS: Resource = {
  plural: "podlogs",
  isNamespaced: true,
  roots: ["/apis/monitoring.grafana.com/v1alpha2"],
};
/** Lines taken since the last save are read again after a crash. */
const SAVE_EVERY_MS = 1000;
/** Changes come in bursts: what is to be followed is looked at this often. */
const PASS_MS = 500;

export const sourcePodlogs = defineComponent<typeof ARGUMENTS, object>({
  name: "loki.source.podlogs",
  stability: "generally-available",
  summary: "Follows the logs of pods that PodLogs objects of a Kubernetes cluster select.",
  arguments: ARGUMENTS,
  exports: {},
  check: (values) =>
    clientBlockFault(values.client) ??
    selectorFault(values.selector, "selector") ??
    selectorFault(values.namespace_selector, "namespace_selector"),
  async run(context, signal) {
    const follower = await PodLogFollower.open(context, () => context.arguments().tail_from_end);
    await Promise.all([
      runSessions(context, signal, async (values, session) => {
        using client = await connectKubernetes(values.client);
        await followPodLogs(context, { client, values, follower }, session);
      }),
      untilAborted(signal, async () => {
        await context.clock.sleep(SAVE_EVERY_MS, signal);
        await follower.save();
      }),
    ]);
    await follower.save();
  },
});

/** Until `signal` aborts and nothing is read any more. */
async function followPodLogs(
  context: Context,
  about: {
    readonly client: KubernetesClient;
    readonly values: Arguments;
    readonly follower: PodLogFollower;
  },
  signal: AbortSignal,
): Promise<void> {
  const { client, values, follower } = about;
  const reading = new AbortController();
  let hasNews = true;
  const onChange = () => void (hasNews = true);
  await using watches = new SharedWatches(client, { clock: context.clock, onChange });
  try {
    await follower.connect(client, AbortSignal.any([signal, reading.signal]));
    const selection = new Selection(values, watches);
    await untilAborted(signal, async () => {
      if (hasNews && selection.isSynced) {
        hasNews = false;
        follower.want(selection.wanted());
      }
      report(context, { selection, follower, troubles: watches.troubles });
      await context.clock.sleep(PASS_MS, signal);
    });
  } finally {
    reading.abort(new Error("the session is over"));
    await follower.ended();
  }
}

function report(
  context: Context,
  about: {
    readonly selection: Selection;
    readonly follower: PodLogFollower;
    readonly troubles: readonly string[];
  },
): void {
  const { selection, follower, troubles } = about;
  const { state, message } = follower.report();
  if (selection.isUnknownKind)
    context.setHealth(
      "unhealthy",
      "the cluster knows no podlogs (monitoring.grafana.com/v1alpha2): install the custom resource definition of PodLogs; it is asked again",
    );
  else if (troubles.length > 0) context.setHealth("unhealthy", troubles.join("; "));
  else if (selection.fault !== undefined)
    context.setHealth("healthy", `${message}; ${selection.fault}`);
  else if (selection.isSynced) context.setHealth(state, message);
}

/** What the objects of the cluster select. */
class Selection {
  /** Why one of the PodLogs cannot be used. */
  fault: string | undefined;
  readonly #values: Arguments;
  readonly #podLogs: ObjectCache<PodLogsObject>;
  readonly #pods: ObjectCache<Pod>;
  readonly #namespaces: ObjectCache<KubernetesObject>;
  /** Of a PodLogs and a pod, as long as neither they nor the namespace change. */
  #known = new Map<PodLogsObject, Map<Pod, Selected>>();

  constructor(values: Arguments, watches: SharedWatches) {
    this.#values = values;
    this.#podLogs = watches.cache({
      resource: POD_LOGS,
      labelSelector: formatLabelSelector(selectorOf(values.selector)),
    });
    this.#namespaces = watches.cache({ resource: RESOURCES.namespace });
    this.#pods = watches.cache({ resource: RESOURCES.pod, fieldSelector: nodeSelector(values) });
  }

  get isSynced(): boolean {
    return this.#podLogs.isSynced && this.#pods.isSynced && this.#namespaces.isSynced;
  }

  get isUnknownKind(): boolean {
    return this.#podLogs.isUnknownKind;
  }

  /** By container and PodLogs: what several of these select is followed for each. */
  wanted(): ReadonlyMap<string, WantedLog> {
    const wanted = new Map<string, WantedLog>();
    const known = new Map<PodLogsObject, Map<Pod, Selected>>();
    this.fault = undefined;
    for (const podLogs of this.#podLogs.objects.values()) {
      const { name, namespace = "" } = podLogs.metadata;
      const own = this.#namespaces.get(undefined, namespace);
      const selector = selectorOf(this.#values.namespace_selector);
      if (!matchesSelector(selector, own?.metadata.labels)) continue;
      try {
        const found = this.#select(podLogs);
        known.set(podLogs, found);
        for (const { logs } of found.values())
          for (const log of logs) wanted.set(`${keyOf(log.container)} ${namespace}/${name}`, log);
      } catch (error) {
        this.fault = `${namespace}/${name} cannot be used: ${describeError(error)}`;
      }
    }
    this.#known = known;
    return wanted;
  }

  #select(podLogs: PodLogsObject): Map<Pod, Selected> {
    const before = this.#known.get(podLogs);
    const rules = compileRules(writtenRelabelings(podLogs.spec.relabelings), { names: "legacy" });
    const found = new Map<Pod, Selected>();
    for (const pod of this.#pods.objects.values()) {
      const namespace = this.#namespaces.get(undefined, pod.metadata.namespace ?? "");
      if (namespace === undefined) continue;
      const known = before?.get(pod);
      found.set(
        pod,
        known?.namespace === namespace
          ? known
          : { namespace, logs: this.#logsOf(podLogs, pod, { namespace, rules }) },
      );
    }
    return found;
  }

  #logsOf(
    podLogs: PodLogsObject,
    pod: Pod,
    about: { readonly namespace: KubernetesObject; readonly rules: readonly RelabelRule[] },
  ): readonly WantedLog[] {
    const keepsMeta = this.#values.preserve_discovered_labels;
    return podLogsTargets(podLogs, pod, { ...about, keepsMeta }).map(({ target, labels }) => {
      const container = containerOf(target);
      if (container === undefined)
        throw new Error("its relabelings remove the labels that say which container is meant");
      return { container, labels };
    });
  }
}

interface Selected {
  readonly namespace: KubernetesObject;
  readonly logs: readonly WantedLog[];
}

/** The field selector for pods of one node. */
function nodeSelector({ node_filter: filter }: Arguments): string | undefined {
  if (filter?.enabled !== true) return undefined;
  const name = filter.node_name || (process.env["NODE_NAME"] ?? "");
  if (name === "")
    throw new Error("node_filter is enabled, but neither node_name nor $NODE_NAME names a node");
  return `spec.nodeName=${name}`;
}
