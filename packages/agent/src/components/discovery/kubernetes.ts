/** `discovery.kubernetes`: targets from the objects of a cluster, kept up to date by watching them. */
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { runSessions } from "../../argument-sessions.ts";
import {
  connectKubernetes,
  KUBERNETES_CLIENT_ARGUMENTS,
  kubernetesClientFault,
} from "../../kubernetes/connection.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import { attachesNodes, ClusterTargets, KINDS_OF_ROLE } from "../../kubernetes/cluster-targets.ts";
import { ObjectCache } from "../../kubernetes/object-cache.ts";
import { RESOURCES } from "../../kubernetes/objects.ts";
import type { KubernetesObject } from "../../kubernetes/objects.ts";
import { ROLES } from "../../kubernetes/targets.ts";
import type { Role } from "../../kubernetes/targets.ts";
import { watchResource } from "../../kubernetes/watch.ts";
import type { WatchScope } from "../../kubernetes/watch.ts";
import type { Target } from "../../receivers.ts";
import { block, maybe, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { unlessAborted, untilAborted } from "../../until-aborted.ts";

const ARGUMENTS = {
  role: required("string", `Kind of objects that become targets: ${ROLES.join(", ")}.`),
  namespaces: block(
    {
      names: optional("list(string)", [], "Namespaces to look into; all when none is named."),
      own_namespace: optional("bool", false, "Also the namespace the agent runs in."),
    },
    { repeat: "optional", doc: "Namespaces to look into." },
  ),
  selectors: block(
    {
      role: required("string", "Kind of objects the selectors are for."),
      label: maybe("string", "Label selector, such as `app=web,tier!=test`."),
      field: maybe("string", "Field selector, such as `spec.nodeName=node1`."),
    },
    { repeat: "many", doc: "Which objects the API server is asked for." },
  ),
  attach_metadata: block(
    {
      node: optional("bool", false, "Labels of the node a pod or endpoint is on."),
      namespace: optional("bool", false, "Labels and annotations of the namespace."),
    },
    { repeat: "optional", doc: "Labels of other objects to add." },
  ),
  ...KUBERNETES_CLIENT_ARGUMENTS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

interface Exports {
  readonly targets: readonly Target[];
}

type Context = ComponentContext<Arguments, Exports>;

/** Changes come in bursts: targets are exported this often at most. */
const PUBLISH_MS_MIN = 1000;

export const kubernetes = defineComponent<typeof ARGUMENTS, Exports>({
  name: "discovery.kubernetes",
  stability: "generally-available",
  summary: "Finds nodes, pods, services, endpoints and ingresses of a Kubernetes cluster.",
  arguments: ARGUMENTS,
  exports: { targets: "One target a port, with `__meta_kubernetes_…` labels." },
  check: (values) => kubernetesClientFault(values) ?? roleFault(values),
  run: (context, signal) =>
    runSessions(context, signal, async (values, session) => {
      using client = await connectKubernetes(values);
      await discover(context, client, values, session);
    }),
});

function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}

function roleFault(values: Arguments): ArgumentFault | undefined {
  const { role, selectors } = values;
  if (!isRole(role))
    return {
      at: "role",
      message: `unknown Kubernetes SD role ${JSON.stringify(role)}; expected ${ROLES.join(", ")}`,
    };
  const allowed: readonly string[] = selectableKinds(role, values);
  const seen = new Set<string>();
  for (const [index, selector] of selectors.entries()) {
    const at = `selectors[${index}].role`;
    if (!allowed.includes(selector.role))
      return { at, message: `${role} role supports only ${allowed.join(", ")} selectors` };
    if (seen.has(selector.role))
      return { at, message: `duplicated selector role: ${selector.role}` };
    seen.add(selector.role);
  }
  return undefined;
}

function selectableKinds(role: Role, values: Arguments): readonly Role[] {
  const kinds = KINDS_OF_ROLE[role];
  const hasNode = values.attach_metadata?.node === true && attachesNodes(role);
  return hasNode ? [...kinds, "node"] : kinds;
}

/** Watches until `signal` aborts. */
async function discover(
  context: Context,
  client: KubernetesClient,
  values: Arguments,
  signal: AbortSignal,
): Promise<void> {
  let news = Promise.withResolvers<void>();
  const cluster = openCluster(values, namespacesOf(values, client), () => news.resolve());
  const publishing = untilAborted(signal, async () => {
    await unlessAborted(news.promise, signal);
    news = Promise.withResolvers();
    if (publish(context, cluster)) await context.clock.sleep(PUBLISH_MS_MIN, signal);
  });
  await Promise.all([
    publishing,
    ...cluster.watches.map(({ scope, cache }) =>
      watchResource(client, scope, cache, { clock: context.clock, signal }),
    ),
  ]);
}

interface Cluster {
  readonly targets: ClusterTargets;
  readonly watches: readonly {
    readonly scope: WatchScope;
    readonly cache: ObjectCache<KubernetesObject>;
  }[];
}

function openCluster(
  values: Arguments,
  namespaces: readonly (string | undefined)[],
  onChange: () => void,
): Cluster {
  const watches: Cluster["watches"][number][] = [];
  const { attach_metadata: attach, selectors } = values;
  const scope = {
    role: values.role as Role,
    namespaces,
    attachesNode: attach?.node === true,
    attachesNamespace: attach?.namespace === true,
  };
  const targets = new ClusterTargets(scope, (kind, namespace) => {
    const cache = new ObjectCache(onChange);
    const selector = selectors.find((candidate) => candidate.role === kind);
    watches.push({
      scope: {
        resource: RESOURCES[kind],
        namespace,
        labelSelector: selector?.label,
        fieldSelector: selector?.field,
      },
      cache,
    });
    return cache;
  });
  return { targets, watches };
}

/** Exports what is known, once all of it is. Whether it did. */
function publish(context: Context, { targets: cluster }: Cluster): boolean {
  const troubles = new Set(cluster.caches.flatMap(({ trouble }) => trouble ?? []));
  const isComplete = cluster.isSynced;
  const targets = isComplete ? cluster.targets() : [];
  if (isComplete) context.setExports({ targets });
  if (troubles.size > 0) context.setHealth("unhealthy", [...troubles].join("; "));
  else if (isComplete) context.setHealth("healthy", `${targets.length} targets`);
  return isComplete;
}

/** Undefined stands for all. */
function namespacesOf(values: Arguments, client: KubernetesClient): (string | undefined)[] {
  const names = new Set(values.namespaces?.names);
  if (values.namespaces?.own_namespace === true) {
    if (client.namespace === undefined)
      throw new Error(
        "own_namespace is set, but the agent does not run in a pod with a service account",
      );
    names.add(client.namespace);
  }
  return names.size === 0 ? [undefined] : [...names];
}
