/**
 * Every component Finch builds, as data: name → loader. A loader is called only when a configuration uses the component, so what is not used is
 * not loaded. One line a component, sorted by name; whoever adds a component adds its line.
 */
import type { ComponentDefinition } from "../component.ts";

export type ComponentLoader = () => Promise<ComponentDefinition>;

export const COMPONENTS: Readonly<Record<string, ComponentLoader>> = {
  "beyla.ebpf": () => import("./outside.ts").then((module) => module.beylaEbpf),
  "discovery.dns": () => import("./discovery/dns.ts").then((module) => module.discoveryDns),
  "discovery.docker": () => import("./discovery/docker.ts").then((module) => module.docker),
  "discovery.file": () => import("./discovery/file.ts").then((module) => module.discoveryFile),
  "discovery.http": () => import("./discovery/http.ts").then((module) => module.discoveryHttp),
  "discovery.kubernetes": () =>
    import("./discovery/kubernetes.ts").then((module) => module.kubernetes),
  "discovery.process": () =>
    import("./discovery/process.ts").then((module) => module.discoveryProcess),
  "discovery.relabel": () => import("./discovery/relabel.ts").then((module) => module.relabel),
  "local.file": () => import("./local/file.ts").then((module) => module.file),
  "local.file_match": () => import("./local/file-match.ts").then((module) => module.fileMatch),
  "loki.echo": () => import("./loki/echo.ts").then((module) => module.echo),
  "loki.enrich": () => import("./loki/enrich.ts").then((module) => module.lokiEnrich),
  "loki.process": () => import("./loki/process.ts").then((module) => module.process),
  "loki.relabel": () => import("./loki/relabel.ts").then((module) => module.lokiRelabel),
  "loki.source.api": () => import("./loki/source-api.ts").then((module) => module.sourceApi),
  "loki.source.awsfirehose": () =>
    import("./loki/source-awsfirehose.ts").then((module) => module.sourceAwsFirehose),
  "loki.source.docker": () =>
    import("./loki/source-docker.ts").then((module) => module.sourceDocker),
  "loki.source.file": () => import("./loki/source-file.ts").then((module) => module.sourceFile),
  "loki.source.gelf": () => import("./loki/source-gelf.ts").then((module) => module.sourceGelf),
  "loki.source.journal": () =>
    import("./loki/source-journal.ts").then((module) => module.sourceJournal),
  "loki.source.kubernetes": () =>
    import("./loki/source-kubernetes.ts").then((module) => module.sourceKubernetes),
  "loki.source.kubernetes_events": () =>
    import("./loki/source-kubernetes-events.ts").then((module) => module.sourceKubernetesEvents),
  "loki.source.podlogs": () =>
    import("./loki/source-podlogs.ts").then((module) => module.sourcePodlogs),
  "loki.source.syslog": () =>
    import("./loki/source-syslog.ts").then((module) => module.sourceSyslog),
  "loki.source.windowsevent": () =>
    import("./loki/source-windowsevent.ts").then((module) => module.sourceWindowsevent),
  "loki.write": () => import("./loki/write.ts").then((module) => module.write),
  "otelcol.auth.basic": () => import("./otelcol/auth-basic.ts").then((module) => module.authBasic),
  "otelcol.auth.bearer": () =>
    import("./otelcol/auth-bearer.ts").then((module) => module.authBearer),
  "otelcol.auth.headers": () =>
    import("./otelcol/auth-headers.ts").then((module) => module.authHeaders),
  "otelcol.auth.oauth2": () =>
    import("./otelcol/auth-oauth2.ts").then((module) => module.authOauth2),
  "otelcol.connector.host_info": () =>
    import("./otelcol/connector-host-info.ts").then((module) => module.hostInfo),
  "otelcol.connector.spanlogs": () =>
    import("./otelcol/connector-spanlogs.ts").then((module) => module.spanlogs),
  "otelcol.connector.spanmetrics": () =>
    import("./otelcol/connector-spanmetrics.ts").then((module) => module.spanmetrics),
  "otelcol.exporter.debug": () =>
    import("./otelcol/exporter-debug.ts").then((module) => module.exporterDebug),
  "otelcol.exporter.loadbalancing": () =>
    import("./otelcol/exporter-loadbalancing.ts").then((module) => module.exporterLoadbalancing),
  "otelcol.exporter.loki": () =>
    import("./otelcol/exporter-loki.ts").then((module) => module.exporterLoki),
  "otelcol.exporter.otlp": () =>
    import("./otelcol/exporter-otlp.ts").then((module) => module.exporterOtlp),
  "otelcol.exporter.otlphttp": () =>
    import("./otelcol/exporter-otlphttp.ts").then((module) => module.exporterOtlphttp),
  "otelcol.exporter.prometheus": () =>
    import("./otelcol/exporter-prometheus.ts").then((module) => module.exporterPrometheus),
  "otelcol.processor.attributes": () =>
    import("./otelcol/processor-attributes.ts").then((module) => module.processorAttributes),
  "otelcol.processor.batch": () =>
    import("./otelcol/processor-batch.ts").then((module) => module.processorBatch),
  "otelcol.processor.filter": () =>
    import("./otelcol/processor-filter.ts").then((module) => module.processorFilter),
  "otelcol.processor.groupbyattrs": () =>
    import("./otelcol/processor-groupbyattrs.ts").then((module) => module.processorGroupbyattrs),
  "otelcol.processor.k8sattributes": () =>
    import("./otelcol/processor-k8sattributes.ts").then((module) => module.processorK8sattributes),
  "otelcol.processor.memory_limiter": () =>
    import("./otelcol/processor-memory-limiter.ts").then((module) => module.memoryLimiter),
  "otelcol.processor.resourcedetection": () =>
    import("./otelcol/processor-resourcedetection.ts").then(
      (module) => module.processorResourcedetection,
    ),
  "otelcol.processor.span": () =>
    import("./otelcol/processor-span.ts").then((module) => module.processorSpan),
  "otelcol.processor.tail_sampling": () =>
    import("./otelcol/processor-tail-sampling.ts").then((module) => module.processorTailSampling),
  "otelcol.processor.transform": () =>
    import("./otelcol/processor-transform.ts").then((module) => module.processorTransform),
  "otelcol.receiver.loki": () =>
    import("./otelcol/receiver-loki.ts").then((module) => module.receiverLoki),
  "otelcol.receiver.otlp": () =>
    import("./otelcol/receiver-otlp.ts").then((module) => module.receiverOtlp),
  "otelcol.receiver.prometheus": () =>
    import("./otelcol/receiver-prometheus.ts").then((module) => module.receiverPrometheus),
  "otelcol.storage.file": () =>
    import("./otelcol/storage-file.ts").then((module) => module.storageFile),
  "prometheus.enrich": () =>
    import("./prometheus/enrich.ts").then((module) => module.prometheusEnrich),
  "prometheus.exporter.blackbox": () =>
    import("./prometheus/exporter-blackbox.ts").then((module) => module.exporterBlackbox),
  "prometheus.exporter.cadvisor": () =>
    import("./prometheus/exporter-cadvisor.ts").then((module) => module.exporterCadvisor),
  "prometheus.exporter.github": () =>
    import("./prometheus/exporter-github.ts").then((module) => module.exporterGithub),
  "prometheus.exporter.memcached": () =>
    import("./prometheus/exporter-memcached.ts").then((module) => module.exporterMemcached),
  "prometheus.exporter.mysql": () =>
    import("./prometheus/exporter-mysql.ts").then((module) => module.exporterMysql),
  "prometheus.exporter.postgres": () =>
    import("./prometheus/exporter-postgres.ts").then((module) => module.exporterPostgres),
  "prometheus.exporter.redis": () =>
    import("./prometheus/exporter-redis.ts").then((module) => module.exporterRedis),
  "prometheus.exporter.self": () =>
    import("./prometheus/exporter-self.ts").then((module) => module.exporterSelf),
  "prometheus.exporter.statsd": () =>
    import("./prometheus/exporter-statsd.ts").then((module) => module.exporterStatsd),
  "prometheus.exporter.unix": () =>
    import("./prometheus/exporter-unix.ts").then((module) => module.exporterUnix),
  "prometheus.exporter.windows": () =>
    import("./prometheus/exporter-windows.ts").then((module) => module.exporterWindows),
  "prometheus.operator.podmonitors": () =>
    import("./prometheus/operator/index.ts").then((module) => module.podMonitors),
  "prometheus.operator.probes": () =>
    import("./prometheus/operator/index.ts").then((module) => module.probes),
  "prometheus.operator.scrapeconfigs": () =>
    import("./prometheus/operator/index.ts").then((module) => module.scrapeConfigs),
  "prometheus.operator.servicemonitors": () =>
    import("./prometheus/operator/index.ts").then((module) => module.serviceMonitors),
  "prometheus.receive_http": () =>
    import("./prometheus/receive-http.ts").then((module) => module.receiveHttp),
  "prometheus.relabel": () =>
    import("./prometheus/relabel.ts").then((module) => module.prometheusRelabel),
  "prometheus.remote_write": () =>
    import("./prometheus/remote-write.ts").then((module) => module.remoteWrite),
  "prometheus.scrape": () => import("./prometheus/scrape.ts").then((module) => module.scrape),
  "pyroscope.ebpf": () => import("./outside.ts").then((module) => module.pyroscopeEbpf),
  "pyroscope.java": () => import("./outside.ts").then((module) => module.pyroscopeJava),
  "pyroscope.receive_http": () =>
    import("./pyroscope/receive-http.ts").then((module) => module.receiveHttp),
  "pyroscope.relabel": () =>
    import("./pyroscope/relabel.ts").then((module) => module.pyroscopeRelabel),
  "pyroscope.scrape": () => import("./pyroscope/scrape.ts").then((module) => module.scrape),
  "pyroscope.write": () => import("./pyroscope/write.ts").then((module) => module.write),
  "remote.http": () => import("./remote/http.ts").then((module) => module.remoteHttp),
  "remote.kubernetes.configmap": () =>
    import("./remote/kubernetes.ts").then((module) => module.kubernetesConfigmap),
  "remote.kubernetes.secret": () =>
    import("./remote/kubernetes.ts").then((module) => module.kubernetesSecret),
};
