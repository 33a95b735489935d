/**
 * The configuration of an agent, as the original Finch gives it: the same components with the same names, so that dashboards, tools and hands find what they know. Written
 * from what an agent was registered with; every text of a person goes through {@link quote}.
 */
import { decodePercent, parseLabel, parseLogSource } from "./agent-rules.ts";
import type { LogSource } from "./agent-rules.ts";
import type { Agent } from "./agents.ts";
import type { IssuedToken } from "./tokens.ts";

export interface AgentConfigTarget {
  /** `HOST` or `HOST:PORT` of the gateway. */
  readonly host: string;
  readonly token: IssuedToken;
  /** Whether the gateway's certificate is one that agents cannot know: signed by itself. */
  readonly isSelfSigned: boolean;
}

/** The text of an Alloy file. */
export function generateAgentConfig(agent: Agent, target: AgentConfigTarget): string {
  const sources = agent.logSources.flatMap((url) => parseLogSource(url) ?? []);
  const blocks = [
    block("logging", [set("level", quote("info"))]),
    ...logWriter(agent, target),
    ...(sources.some(({ kind }) => kind === "journal") ? journalLogs() : []),
    ...(sources.some(({ kind }) => kind === "docker") ? dockerLogs() : []),
    ...fileLogs(sources),
    ...eventLogs(sources),
    ...(agent.metrics ? metrics(agent, target) : []),
    ...(agent.profiles ? profiles(agent, target) : []),
  ];
  return `${blocks.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** Lines without their ends. */
type Lines = readonly string[];

function logWriter(agent: Agent, target: AgentConfigTarget): Lines[] {
  return [
    block('loki.write "default"', [
      ...endpoint("/loki/loki/api/v1/push", target),
      ...externalLabels(agent),
    ]),
    block('loki.source.api "default"', [
      ...block("http", [
        set("listen_address", quote("127.0.0.1")),
        set("listen_port", quote("3100")),
      ]),
      set("forward_to", LOGS),
    ]),
  ];
}

const LOGS = "[loki.write.default.receiver]";
const METRICS = "[prometheus.remote_write.default.receiver]";

function endpoint(path: string, { host, token, isSelfSigned }: AgentConfigTarget): Lines {
  const expiry = new Date(token.expiresAtMs).toISOString().replace(/\.\d+Z$/, "Z");
  return block("endpoint", [
    set("url", quote(`https://${host}${path}`)),
    `// The token is valid until ${expiry}.`,
    set("bearer_token", quote(token.token)),
    ...(isSelfSigned ? block("tls_config", [set("insecure_skip_verify", "true")]) : []),
  ]);
}

function externalLabels(agent: Agent): Lines {
  const labels = [
    ["host", agent.hostname],
    ["rid", agent.resourceId],
    ...agent.labels.map(parseLabel),
  ] as const;
  return [
    "external_labels = {",
    ...indent(labels.map(([name, value]) => `${quote(name)} = ${quote(value)},`)),
    "}",
  ];
}

/** From fields of the journal to labels. */
const JOURNAL_LABELS = {
  __journal__systemd_unit: "unit",
  __journal__boot_id: "boot_id",
  __journal__transport: "transport",
  __journal_priority_keyword: "level",
} as const;

function journalLogs(): Lines[] {
  const rules = Object.entries(JOURNAL_LABELS).map(([field, label]) =>
    block("rule", [set("source_labels", `[${quote(field)}]`), set("target_label", quote(label))]),
  );
  return [
    block('loki.relabel "journal"', [set("forward_to", "[]"), ...rules.flat()]),
    block('loki.source.journal "journal"', [
      set("format_as_json", "true"),
      set("max_age", quote("12h")),
      set("relabel_rules", "loki.relabel.journal.rules"),
      set("forward_to", LOGS),
    ]),
  ];
}

const DOCKER_SOCKET = "unix:///var/run/docker.sock";

function dockerLogs(): Lines[] {
  return [
    block('discovery.docker "linux"', [set("host", quote(DOCKER_SOCKET))]),
    block('loki.relabel "docker"', [
      set("forward_to", "[]"),
      ...block("rule", [
        set("source_labels", `[${quote("__meta_docker_container_name")}]`),
        set("regex", quote("/(.*)")),
        set("target_label", quote("service_name")),
      ]),
    ]),
    block('loki.source.docker "docker"', [
      set("host", quote(DOCKER_SOCKET)),
      set("targets", "discovery.docker.linux.targets"),
      set("labels", `{ ${quote("platform")} = ${quote("docker")} }`),
      set("relabel_rules", "loki.relabel.docker.rules"),
      set("forward_to", LOGS),
    ]),
  ];
}

function fileLogs(sources: readonly LogSource[]): Lines[] {
  const paths = sources.flatMap((source) => (source.kind === "file" ? source.path : []));
  if (paths.length === 0) return [];
  return [
    block('loki.process "files"', [
      ...block("stage.static_labels", [
        set("values", `{ service_name = ${quote("loki.source.file.files")} }`),
      ]),
      set("forward_to", LOGS),
    ]),
    block('local.file_match "files"', [
      "path_targets = [",
      ...indent(paths.map((path) => `{ __path__ = ${quote(path)} },`)),
      "]",
    ]),
    block('loki.source.file "file"', [
      set("targets", "local.file_match.files.targets"),
      set("forward_to", "[loki.process.files.receiver]"),
    ]),
  ];
}

function eventLogs(sources: readonly LogSource[]): Lines[] {
  const channels = sources.flatMap((source) => (source.kind === "event" ? source.channel : []));
  return channels.map((channel, index) =>
    block(`loki.source.windowsevent "event_${index}"`, [
      set("eventlog_name", quote(channel)),
      set("forward_to", LOGS),
    ]),
  );
}

function metrics(agent: Agent, target: AgentConfigTarget): Lines[] {
  return [
    block('prometheus.remote_write "default"', [
      ...endpoint("/mimir/api/v1/push", target),
      ...externalLabels(agent),
    ]),
    agent.node === "windows"
      ? block('prometheus.exporter.windows "node"', [])
      : block('prometheus.exporter.unix "node"', [
          set("include_exporter_metrics", "true"),
          set("enable_collectors", `[${quote("systemd")}]`),
        ]),
    scrape("node", [set("targets", `prometheus.exporter.${agent.node}.node.targets`)]),
    block('prometheus.receive_http "default"', [...localHttp(9091), set("forward_to", METRICS)]),
    ...agent.metricsTargets.map(targetScrape),
  ];
}

/** A target taken apart as it was written: `URL` would leave out a port that is the protocol's own, which is part of the label `instance`. */
const TARGET =
  /^(?<scheme>https?):\/\/(?<address>[^/?#]+)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?/i;

function targetScrape(target: string, index: number): Lines {
  const { scheme = "", address = "", path, query } = TARGET.exec(target)?.groups ?? {};
  const parameters = new URLSearchParams(query);
  const values = [...new Set(parameters.keys())].map(
    (name) => `${quote(name)} = [${parameters.getAll(name).map(quote).join(", ")}],`,
  );
  return scrape(`custom_${index}`, [
    set("targets", `[{ __address__ = ${quote(address)} }]`),
    ...(path === undefined ? [] : [set("metrics_path", quote(decodePercent(path)))]),
    ...(scheme.toLowerCase() === "https" ? [set("scheme", quote("https"))] : []),
    ...(values.length > 0 ? ["params = {", ...indent(values), "}"] : []),
  ]);
}

function scrape(name: string, lines: Lines): Lines {
  return block(`prometheus.scrape "${name}"`, [
    ...lines,
    set("forward_to", METRICS),
    set("scrape_interval", quote("15s")),
  ]);
}

function profiles(agent: Agent, target: AgentConfigTarget): Lines[] {
  return [
    block('pyroscope.receive_http "default"', [
      ...localHttp(4040),
      set("forward_to", "[pyroscope.write.backend.receiver]"),
    ]),
    block('pyroscope.write "backend"', [
      ...endpoint("/pyroscope", target),
      ...externalLabels(agent),
    ]),
  ];
}

function localHttp(port: number): Lines {
  return block("http", [
    set("listen_address", quote("127.0.0.1")),
    set("listen_port", String(port)),
  ]);
}

function block(name: string, lines: Lines): Lines {
  return lines.length === 0 ? [`${name} {}`] : [`${name} {`, ...indent(lines), "}"];
}

function set(name: string, expression: string): string {
  return `${name} = ${expression}`;
}

function indent(lines: Lines): string[] {
  return lines.map((line) => `\t${line}`);
}

/**
 * A string of the Alloy syntax, which has the escapes of Go: those of JSON are among them. Halves of surrogate pairs, which Go has none of, are replaced, and a
 * byte order mark is escaped, which it refuses within a file.
 */
function quote(text: string): string {
  return JSON.stringify(text.toWellFormed()).replaceAll("\u{FEFF}", String.raw`\ufeff`);
}
