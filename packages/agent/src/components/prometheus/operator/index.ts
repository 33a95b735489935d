/**
 * `prometheus.operator.servicemonitors`, `.podmonitors`, `.probes` and `.scrapeconfigs`: scrape what the custom resources of prometheus-operator ask for,
 * without the operator.
 */
import { runSessions } from "../../../argument-sessions.ts";
import { defineComponent } from "../../../component.ts";
import type { ComponentContext } from "../../../component.ts";
import { connectKubernetes } from "../../../kubernetes/connection.ts";
import { podMonitorJobs, serviceMonitorJobs } from "../../../prometheus-operator/monitor-jobs.ts";
import type { OperatorKind } from "../../../prometheus-operator/resources.ts";
import {
  probeJobs,
  scrapeConfigJobs,
  scrapeConfigLimitation,
} from "../../../prometheus-operator/static-jobs.ts";
import { OPERATOR_ARGUMENTS, operatorFault, SERVICE_MONITOR_ARGUMENTS } from "./arguments.ts";
import type { OperatorArguments } from "./arguments.ts";
import { runOperator } from "./operator.ts";
import type { Making } from "./operator.ts";

type NoExports = Record<never, never>;

export const serviceMonitors = defineComponent<typeof SERVICE_MONITOR_ARGUMENTS, NoExports>({
  name: "prometheus.operator.servicemonitors",
  stability: "generally-available",
  summary: "Scrapes the services that ServiceMonitors of a Kubernetes cluster name.",
  arguments: SERVICE_MONITOR_ARGUMENTS,
  exports: {},
  check: operatorFault,
  run: (context, signal) =>
    run(context, signal, (values) => ({
      kind: "serviceMonitor",
      serviceRole: values.kubernetes_role,
      allowsFiles: values.allow_arbitrary_file_access,
      makeJobs: serviceMonitorJobs,
    })),
});

export const podMonitors = defineComponent<typeof OPERATOR_ARGUMENTS, NoExports>({
  name: "prometheus.operator.podmonitors",
  stability: "generally-available",
  summary: "Scrapes the pods that PodMonitors of a Kubernetes cluster name.",
  arguments: OPERATOR_ARGUMENTS,
  exports: {},
  check: operatorFault,
  run: (context, signal) =>
    run(context, signal, () => ({ ...NO_SERVICES, kind: "podMonitor", makeJobs: podMonitorJobs })),
});

export const probes = defineComponent<typeof OPERATOR_ARGUMENTS, NoExports>({
  name: "prometheus.operator.probes",
  stability: "generally-available",
  summary: "Asks probers for the targets that Probes of a Kubernetes cluster name.",
  arguments: OPERATOR_ARGUMENTS,
  exports: {},
  check: operatorFault,
  run: (context, signal) =>
    run(context, signal, () => ({ ...NO_SERVICES, kind: "probe", makeJobs: probeJobs })),
});

export const scrapeConfigs = defineComponent<typeof OPERATOR_ARGUMENTS, NoExports>({
  name: "prometheus.operator.scrapeconfigs",
  stability: "experimental",
  summary: "Scrapes the targets that ScrapeConfigs of a Kubernetes cluster name.",
  arguments: OPERATOR_ARGUMENTS,
  exports: {},
  check: operatorFault,
  run: (context, signal) =>
    run(context, signal, () => ({
      ...NO_SERVICES,
      kind: "scrapeConfig",
      makeJobs: scrapeConfigJobs,
      limitation: scrapeConfigLimitation,
    })),
});

/** Of kinds that look at no services and can name no files. */
const NO_SERVICES = { serviceRole: "endpoints", allowsFiles: false } as const;

async function run<Values extends OperatorArguments, Kind extends OperatorKind>(
  context: ComponentContext<Values, NoExports>,
  signal: AbortSignal,
  makingOf: (values: Values) => Making<Kind>,
): Promise<void> {
  await runSessions(context, signal, async (values, session) => {
    using client = await connectKubernetes(values.client);
    await runOperator(context, { client, values, making: makingOf(values) }, session);
  });
}
