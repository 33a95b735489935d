/** Jobs of Probes, whose targets are asked for through a prober, and of ScrapeConfigs, which name targets or a server that lists them. */
import { Labels } from "@finch/model";
import { httpClientOptions } from "../http-client-schema.ts";
import { META } from "../kubernetes/target-labels.ts";
import type { Target } from "../receivers.ts";
import { compileRules } from "../relabel.ts";
import type { RelabelConfig } from "../relabel.ts";
import { httpValuesOf } from "./http-settings.ts";
import {
  copyRelabeling,
  firstRelabelings,
  selectRelabelings,
  writtenRelabelings,
} from "./relabelings.ts";
import type { Probe, ScrapeConfig } from "./resources.ts";
import {
  badObject,
  describeObject,
  durationOf,
  jobSettings,
  selectedNamespaces,
} from "./scrape-job.ts";
import type { JobMaking, OperatorJob, TargetSource } from "./scrape-job.ts";

const LISTED_EVERY_MS = 30_000;

export async function probeJobs(probe: Probe, making: JobMaking): Promise<OperatorJob[]> {
  const { spec } = probe;
  const { prober } = spec;
  if (prober === undefined) throw badObject("it names no prober");
  const { source, relabelings } = probeTargets(probe, prober.url);
  const { jobName = "", module = "" } = spec;
  const rules = [
    ...firstRelabelings(making.rules),
    ...(jobName === "" ? [] : [{ targetLabel: "job", replacement: jobName }]),
    ...relabelings,
  ];
  const endpoint = {
    ...spec,
    path: prober.path || "/probe",
    scheme: prober.scheme ?? "",
    proxyUrl: prober.proxyUrl ?? "",
    ...(module !== "" && { params: { module: [module] } }),
  };
  const name = `probe/${describeObject(probe)}`;
  const settings = await jobSettings(making, { name, endpoint, limits: spec });
  return [{ source, relabelings: compileRules(rules, { names: "legacy" }), settings }];
}

function probeTargets(
  probe: Probe,
  proberUrl: string,
): { readonly source: TargetSource; readonly relabelings: readonly RelabelConfig[] } {
  const { staticConfig, ingress } = probe.spec.targets ?? {};
  const toProber: RelabelConfig[] = [
    copyRelabeling("__param_target", "instance"),
    { targetLabel: "__address__", replacement: proberUrl },
  ];
  if (staticConfig !== undefined) {
    const labels = { namespace: probe.metadata.namespace ?? "", ...staticConfig.labels };
    return {
      source: { kind: "static", targets: staticTargets(staticConfig.static, labels) },
      relabelings: [
        copyRelabeling("__address__", "__param_target"),
        ...toProber,
        ...writtenRelabelings(staticConfig.relabelingConfigs),
      ],
    };
  }
  if (ingress === undefined) throw badObject("its targets are neither staticConfig nor ingress");
  return {
    source: {
      kind: "cluster",
      scope: {
        role: "ingress",
        namespaces: selectedNamespaces(ingress.namespaceSelector, probe),
        attachesNode: false,
        attachesNamespace: false,
      },
    },
    relabelings: [
      ...selectRelabelings("ingress", ingress.selector),
      {
        sourceLabels: [`${META}ingress_scheme`, "__address__", `${META}ingress_path`],
        regex: "(.+);(.+);(.+)",
        replacement: "${1}://${2}${3}",
        targetLabel: "__param_target",
      },
      copyRelabeling(`${META}namespace`, "namespace"),
      copyRelabeling(`${META}ingress_name`, "ingress"),
      { ...copyRelabeling("__address__", "__tmp_ingress_address"), regex: "(.+)" },
      ...toProber,
      ...writtenRelabelings(ingress.relabelingConfigs),
    ],
  };
}

function staticTargets(
  addresses: readonly string[] = [],
  labels: Readonly<Record<string, string>> = {},
): Target[] {
  return addresses.map((address) => Labels.fromObject({ ...labels, __address__: address }));
}

/** Other ways to find targets are told by {@link scrapeConfigLimitation}. */
export async function scrapeConfigJobs(
  config: ScrapeConfig,
  making: JobMaking,
): Promise<OperatorJob[]> {
  const { spec, metadata } = config;
  const { staticConfigs = [], httpSDConfigs = [] } = spec;
  const rules: RelabelConfig[] = [
    ...firstRelabelings(making.rules),
    { targetLabel: `${META}scrapeconfig_namespace`, replacement: metadata.namespace ?? "" },
    { targetLabel: `${META}scrapeconfig_name`, replacement: metadata.name },
    ...writtenRelabelings(spec.relabelings),
  ];
  const { scrapeInterval: interval = "", metricsPath: path = "" } = spec;
  const endpoint = { ...spec, interval, path };
  const makeJob = async (
    kind: string,
    source: TargetSource,
    more: readonly RelabelConfig[],
  ): Promise<OperatorJob> => ({
    source,
    relabelings: compileRules([...rules, ...more], { names: "legacy" }),
    settings: await jobSettings(making, {
      name: `scrapeConfig/${describeObject(config)}/${kind}`,
      endpoint,
      limits: spec,
    }),
  });
  return Promise.all([
    ...staticConfigs.map(({ targets, labels }, index) =>
      makeJob(`static/${index}`, { kind: "static", targets: staticTargets(targets, labels) }, [
        copyRelabeling("__address__", "instance"),
      ]),
    ),
    ...httpSDConfigs.map(async (listed, index) => {
      const client = httpClientOptions(await httpValuesOf(listed, making.secrets));
      const intervalMs = durationOf(listed.refreshInterval, "refreshInterval") ?? LISTED_EVERY_MS;
      return makeJob(`http/${index}`, { kind: "http", url: listed.url, intervalMs, client }, []);
    }),
  ]);
}

/** Ways to find targets that a ScrapeConfig names and that, as in Alloy, are not supported. */
export function scrapeConfigLimitation({ spec }: ScrapeConfig): string | undefined {
  const found = Object.entries(spec)
    .filter(
      ([field, value]) =>
        field.endsWith("SDConfigs") &&
        field !== "httpSDConfigs" &&
        Array.isArray(value) &&
        value.length > 0,
    )
    .map(([field]) => field);
  if (found.length === 0) return undefined;
  return `${found.join(", ")} are left out: only staticConfigs and httpSDConfigs are supported`;
}
