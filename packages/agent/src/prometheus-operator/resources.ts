/**
 * The custom resources of prometheus-operator, as far as the agent reads them.
 * @see https://prometheus-operator.dev/docs/api-reference/api/
 */
import type { LabelSelector } from "../kubernetes/label-selector.ts";
import type { KubernetesObject, Resource } from "../kubernetes/objects.ts";

/** Which namespaces an object looks into; its own when nothing is said. */
export interface NamespaceSelector {
  readonly any?: boolean;
  readonly matchNames?: readonly string[];
}

/** A key of a Secret or of a ConfigMap in the namespace of the object. */
export interface KeySelector {
  readonly name?: string;
  readonly key: string;
}

export interface SecretOrConfigMap {
  readonly secret?: KeySelector;
  readonly configMap?: KeySelector;
}

export interface WrittenTls {
  readonly ca?: SecretOrConfigMap;
  readonly cert?: SecretOrConfigMap;
  readonly keySecret?: KeySelector;
  readonly serverName?: string;
  readonly insecureSkipVerify?: boolean;
  readonly minVersion?: string;
  /** The three are of ServiceMonitors alone. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** How a target, or a server that lists targets, is spoken to. */
export interface WrittenHttp {
  readonly tlsConfig?: WrittenTls;
  readonly basicAuth?: { readonly username?: KeySelector; readonly password?: KeySelector };
  readonly authorization?: { readonly type?: string; readonly credentials?: KeySelector };
  readonly oauth2?: {
    readonly clientId: SecretOrConfigMap;
    readonly clientSecret: KeySelector;
    readonly tokenUrl: string;
    readonly scopes?: readonly string[];
    readonly endpointParams?: Readonly<Record<string, string>>;
  };
  readonly bearerTokenSecret?: KeySelector;
  /** Of ServiceMonitors alone. */
  readonly bearerTokenFile?: string;
  readonly proxyUrl?: string;
  readonly followRedirects?: boolean;
}

/** Actions are written in either case here: `labelMap`. */
export interface WrittenRelabeling {
  readonly sourceLabels?: readonly string[];
  readonly separator?: string;
  readonly targetLabel?: string;
  readonly regex?: string;
  readonly modulus?: number;
  readonly replacement?: string;
  readonly action?: string;
}

/** What holds for all endpoints of an object. */
export interface WrittenLimits {
  readonly sampleLimit?: number;
  readonly targetLimit?: number;
  readonly labelLimit?: number;
  readonly labelNameLengthLimit?: number;
  readonly labelValueLengthLimit?: number;
  readonly bodySizeLimit?: string;
  readonly scrapeProtocols?: readonly string[];
}

/** What an endpoint is asked for, and how. */
export interface WrittenEndpoint extends WrittenHttp {
  readonly path?: string;
  readonly scheme?: string;
  readonly params?: Readonly<Record<string, readonly string[]>>;
  readonly interval?: string;
  readonly scrapeTimeout?: string;
  readonly honorLabels?: boolean;
  readonly honorTimestamps?: boolean;
  readonly trackTimestampsStaleness?: boolean;
  readonly enableCompression?: boolean;
  readonly metricRelabelings?: readonly WrittenRelabeling[];
}

/** An endpoint of pods, straight or behind a service. */
export interface PodEndpoint extends WrittenEndpoint {
  readonly port?: string;
  readonly targetPort?: string | number;
  readonly filterRunning?: boolean;
  readonly relabelings?: readonly WrittenRelabeling[];
}

interface MonitorSpec extends WrittenLimits {
  readonly selector?: LabelSelector;
  readonly namespaceSelector?: NamespaceSelector;
  readonly jobLabel?: string;
  readonly podTargetLabels?: readonly string[];
  readonly attachMetadata?: { readonly node?: boolean };
}

export interface ServiceMonitor extends KubernetesObject {
  readonly spec: MonitorSpec & {
    readonly endpoints?: readonly PodEndpoint[];
    readonly targetLabels?: readonly string[];
  };
}

export interface PodMonitor extends KubernetesObject {
  readonly spec: MonitorSpec & {
    readonly podMetricsEndpoints?: readonly (PodEndpoint & { readonly portNumber?: number })[];
  };
}

export interface Probe extends KubernetesObject {
  readonly spec: WrittenLimits &
    WrittenHttp & {
      readonly jobName?: string;
      readonly prober?: {
        readonly url: string;
        readonly scheme?: string;
        readonly path?: string;
        readonly proxyUrl?: string;
      };
      readonly module?: string;
      readonly interval?: string;
      readonly scrapeTimeout?: string;
      readonly targets?: {
        readonly staticConfig?: {
          readonly static?: readonly string[];
          readonly labels?: Readonly<Record<string, string>>;
          readonly relabelingConfigs?: readonly WrittenRelabeling[];
        };
        readonly ingress?: {
          readonly selector?: LabelSelector;
          readonly namespaceSelector?: NamespaceSelector;
          readonly relabelingConfigs?: readonly WrittenRelabeling[];
        };
      };
      readonly metricRelabelings?: readonly WrittenRelabeling[];
    };
}

export interface ScrapeConfig extends KubernetesObject {
  readonly spec: WrittenLimits &
    Omit<WrittenEndpoint, "interval" | "path"> & {
      readonly scrapeInterval?: string;
      readonly metricsPath?: string;
      readonly relabelings?: readonly WrittenRelabeling[];
      readonly staticConfigs?: readonly {
        readonly targets?: readonly string[];
        readonly labels?: Readonly<Record<string, string>>;
      }[];
      readonly httpSDConfigs?: readonly (WrittenHttp & {
        readonly url: string;
        readonly refreshInterval?: string;
      })[];
    };
}

export interface OperatorObjects {
  readonly serviceMonitor: ServiceMonitor;
  readonly podMonitor: PodMonitor;
  readonly probe: Probe;
  readonly scrapeConfig: ScrapeConfig;
}

export type OperatorKind = keyof OperatorObjects;

function resource(plural: string, version: string): Resource {
  return { plural, isNamespaced: true, roots: [`/apis/monitoring.coreos.com/${version}`] };
}

export const OPERATOR_RESOURCES: Readonly<Record<OperatorKind, Resource>> = {
  serviceMonitor: resource("servicemonitors", "v1"),
  podMonitor: resource("podmonitors", "v1"),
  probe: resource("probes", "v1"),
  scrapeConfig: resource("scrapeconfigs", "v1alpha1"),
};
