/** The parts of Kubernetes' objects that the agent reads, as the API server writes them (core/v1, discovery.k8s.io, networking.k8s.io). */

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly {
    readonly kind?: string;
    readonly name?: string;
    readonly uid?: string;
    readonly controller?: boolean;
  }[];
}

export interface KubernetesObject {
  readonly metadata: ObjectMeta;
}

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol?: string;
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly ports?: readonly ContainerPort[];
}

export interface ContainerStatus {
  readonly name: string;
  readonly containerID?: string;
  readonly imageID?: string;
  readonly restartCount?: number;
  readonly state?: {
    readonly waiting?: object;
    readonly running?: object;
    readonly terminated?: { readonly exitCode?: number; readonly containerID?: string };
  };
  readonly lastState?: { readonly terminated?: { readonly containerID?: string } };
}

export interface Pod extends KubernetesObject {
  readonly spec: {
    readonly nodeName?: string;
    readonly hostname?: string;
    readonly hostNetwork?: boolean;
    readonly restartPolicy?: string;
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
  };
  readonly status: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip?: string }[];
    readonly hostIP?: string;
    readonly startTime?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly ephemeralContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface Node extends KubernetesObject {
  readonly spec: { readonly providerID?: string };
  readonly status: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly daemonEndpoints?: { readonly kubeletEndpoint?: { readonly Port?: number } };
  };
}

export interface Service extends KubernetesObject {
  readonly spec: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly externalName?: string;
    readonly loadBalancerIP?: string;
    readonly ports?: readonly {
      readonly name?: string;
      readonly port: number;
      readonly protocol?: string;
    }[];
  };
}

export interface ObjectReference {
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
}

export interface EndpointAddress {
  readonly ip: string;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly targetRef?: ObjectReference;
}

export interface Endpoints extends KubernetesObject {
  readonly subsets?: readonly {
    readonly addresses?: readonly EndpointAddress[];
    readonly notReadyAddresses?: readonly EndpointAddress[];
    readonly ports?: readonly {
      readonly name?: string;
      readonly port: number;
      readonly protocol?: string;
    }[];
  }[];
}

export interface SlicePort {
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: string;
  readonly appProtocol?: string;
}

export interface SliceEndpoint {
  readonly addresses: readonly string[];
  readonly conditions?: {
    readonly ready?: boolean;
    readonly serving?: boolean;
    readonly terminating?: boolean;
  };
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly targetRef?: ObjectReference;
  /** Of v1; `topology` in v1beta1. */
  readonly deprecatedTopology?: Readonly<Record<string, string>>;
  readonly topology?: Readonly<Record<string, string>>;
}

export interface EndpointSlice extends KubernetesObject {
  readonly addressType?: string;
  readonly endpoints?: readonly SliceEndpoint[] | null;
  readonly ports?: readonly SlicePort[] | null;
}

export interface Ingress extends KubernetesObject {
  readonly spec: {
    readonly ingressClassName?: string;
    readonly tls?: readonly { readonly hosts?: readonly string[] }[];
    readonly rules?: readonly {
      readonly host?: string;
      readonly http?: { readonly paths?: readonly { readonly path?: string }[] };
    }[];
  };
}

/** core/v1 Event: something that happened to `involvedObject`. */
export interface ClusterEvent extends KubernetesObject {
  readonly involvedObject?: ObjectReference & {
    readonly apiVersion?: string;
    readonly resourceVersion?: string;
  };
  readonly action?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly type?: string;
  readonly count?: number;
  readonly source?: { readonly component?: string; readonly host?: string };
  readonly reportingComponent?: string;
  readonly reportingInstance?: string;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
}

/** Where a kind of object is found. `roots` in order of preference: a server that answers 404 for the first is asked for the next. */
export interface Resource {
  readonly plural: string;
  readonly isNamespaced: boolean;
  readonly roots: readonly string[];
}

function core(plural: string, isNamespaced = true): Resource {
  return { plural, isNamespaced, roots: ["/api/v1"] };
}

/** Kinds of objects the agent lists and watches. */
export const RESOURCES = {
  node: core("nodes", false),
  namespace: core("namespaces", false),
  pod: core("pods"),
  service: core("services"),
  endpoints: core("endpoints"),
  event: core("events"),
  secret: core("secrets"),
  configmap: core("configmaps"),
  replicaset: { plural: "replicasets", isNamespaced: true, roots: ["/apis/apps/v1"] },
  job: { plural: "jobs", isNamespaced: true, roots: ["/apis/batch/v1"] },
  endpointslice: {
    plural: "endpointslices",
    isNamespaced: true,
    roots: ["/apis/discovery.k8s.io/v1", "/apis/discovery.k8s.io/v1beta1"],
  },
  ingress: {
    plural: "ingresses",
    isNamespaced: true,
    roots: ["/apis/networking.k8s.io/v1", "/apis/networking.k8s.io/v1beta1"],
  },
} as const satisfies Record<string, Resource>;

/** The path of a resource, in one namespace or (undefined) in all. */
export function resourcePath(root: string, resource: Resource, namespace?: string): string {
  return namespace === undefined || !resource.isNamespaced
    ? `${root}/${resource.plural}`
    : `${root}/namespaces/${encodeURIComponent(namespace)}/${resource.plural}`;
}
