/**
 * One entry of Promtail's `scrape_configs`: where its lines come from, how they are relabelled, the stages they pass. Files that service
 * discovery names are read by `loki.source.file`; journal, syslog and the like each have a source of their own.
 */
import type { YamlNode } from "../yaml-config.ts";
import { attribute, block, code, joinLists, literal, references } from "./alloy-tree.ts";
import type { Block, Expression, Statement } from "./alloy-tree.ts";
import { identifierOf, labelOf, numberedLabel } from "./conversion.ts";
import type { Conversion } from "./conversion.ts";
import {
  convertDiscoveries,
  convertStaticTargets,
  DISCOVERY_KEYS,
  DOCKER_FIELDS,
} from "./discovery.ts";
import { bool, convertFields, duration, ignored, map, nested, number, text } from "./fields.ts";
import type { Fields } from "./fields.ts";
import { PROMETHEUS_HTTP_CLIENT_FIELDS, TLS_FIELDS } from "./http-client-fields.ts";
import { convertStages } from "./pipeline-stages.ts";
import { PUSH_HTTP_FIELDS } from "./promtail-server.ts";
import { convertRules } from "./relabel-rules.ts";

/** What the jobs of a configuration have in common. */
export interface PromtailContext {
  readonly conversion: Conversion;
  /** In front of the label of each component. */
  readonly label: string;
  /** Where entries go in the end. */
  readonly receivers: readonly string[];
  readonly positionsFile: string | undefined;
  /** Statements of `file_watch` and of `file_match`. */
  readonly watch: readonly Statement[];
  readonly matching: readonly Statement[];
  /** Stages in front of those of the job. */
  readonly limitStages: readonly Block[];
}

/** Sources that are written under a key of their own, with the component each needs. */
const SOURCES = {
  journal: "loki.source.journal",
  loki_push_api: "loki.source.api",
  syslog: "loki.source.syslog",
  windows_events: "loki.source.windowsevent",
} as const;

const SOURCES_NOT_BUILT = {
  azure_event_hubs: "loki.source.azure_event_hubs",
  cloudflare: "loki.source.cloudflare",
  gcplog: "loki.source.gcplog",
  gelf: "loki.source.gelf",
  heroku_drain: "loki.source.heroku",
  kafka: "loki.source.kafka",
} as const;

const COMMON_KEYS = [
  "job_name",
  "pipeline_stages",
  "relabel_configs",
  "static_configs",
  "encoding",
  "decompression",
] as const;

const JOB_KEYS = [
  ...COMMON_KEYS,
  ...Object.keys(SOURCES),
  ...Object.keys(SOURCES_NOT_BUILT),
  ...DISCOVERY_KEYS,
];

export function convertPromtailJob(node: YamlNode, context: PromtailContext): void {
  const fields: JobFields = node.fields(JOB_KEYS);
  const name = fields.job_name?.text() ?? "";
  if (name === "")
    throw node.fault("the job needs a job_name, of which the labels of its components are made");
  new PromtailJob(node, fields, labelOf(context.label, identifierOf(name)), context).convert();
}

type JobFields = Partial<Record<string, YamlNode>> &
  Partial<
    Record<(typeof COMMON_KEYS)[number] | keyof typeof SOURCES | "docker_sd_configs", YamlNode>
  >;

class PromtailJob {
  readonly #node: YamlNode;
  readonly #fields: JobFields;
  readonly #label: string;
  readonly #context: PromtailContext;
  #receivers: readonly string[] | undefined;
  #targets: readonly Expression[] = [];
  /** The `discovery.relabel` of the job; an empty text when it has no rules. */
  #relabel: string | undefined;
  #lokiRelabel: string | undefined;

  constructor(node: YamlNode, fields: JobFields, label: string, context: PromtailContext) {
    this.#node = node;
    this.#fields = fields;
    this.#label = label;
    this.#context = context;
  }

  convert(): void {
    const { conversion } = this.#context;
    this.#targets = this.#findTargets();
    this.#reportNotBuilt();
    if (this.#targets.length > 0) this.#addFileSource();
    const { journal, loki_push_api: push, syslog, windows_events: events } = this.#fields;
    if (journal !== undefined)
      this.#addSource(SOURCES.journal, journal, JOURNAL_FIELDS, this.#legacyCursor());
    if (push !== undefined) this.#addSource(SOURCES.loki_push_api, push, PUSH_FIELDS);
    if (syslog !== undefined) this.#addSyslog(syslog);
    if (events !== undefined) this.#addWindowsEvents(events);
    for (const [index, entry] of (this.#fields.docker_sd_configs?.list() ?? []).entries())
      this.#addDocker(entry, numberedLabel(index, this.#label));
    if (conversion.blocks.every((each) => each.label !== this.#label))
      conversion.log.add("warning", this.#node, "no source comes of this job");
  }

  #findTargets(): readonly Expression[] {
    const { conversion } = this.#context;
    const found = convertDiscoveries(this.#fields, conversion, {
      label: this.#label,
      except: ["docker"],
      extra: onThisNode,
    });
    const written = convertStaticTargets(this.#fields.static_configs, {
      addressWhenNone: "localhost",
    });
    return written.length === 0 ? found : [...found, { kind: "list", items: written }];
  }

  #reportNotBuilt(): void {
    for (const [key, component] of Object.entries(SOURCES_NOT_BUILT)) {
      const source = this.#fields[key];
      if (source !== undefined) this.#context.conversion.leaveOut(component, source);
    }
  }

  /** Receivers of what the job reads: its stages where it has some, else the sinks. */
  #forwardTo(): readonly string[] {
    if (this.#receivers !== undefined) return this.#receivers;
    const { conversion, limitStages, receivers } = this.#context;
    const stages = [...limitStages, ...convertStages(this.#fields.pipeline_stages, conversion.log)];
    if (stages.length === 0) return (this.#receivers = receivers);
    const body = [attribute("forward_to", references(receivers)), ...stages];
    const id = conversion.add(
      block("loki.process", body, { label: this.#label, origin: this.#fields.pipeline_stages }),
    );
    return (this.#receivers = [`${id}.receiver`]);
  }

  /** Adds `discovery.relabel` once, when there are rules, and gives its name or an empty text. */
  #discoveryRelabel(): string {
    if (this.#relabel !== undefined) return this.#relabel;
    const { conversion } = this.#context;
    const rules = convertRules(this.#fields.relabel_configs, conversion.log);
    if (rules.length === 0) return (this.#relabel = "");
    const body = [attribute("targets", joinLists(this.#targets)), ...rules];
    return (this.#relabel = conversion.add(
      block("discovery.relabel", body, {
        label: this.#label,
        origin: this.#fields.relabel_configs,
      }),
    ));
  }

  /** The rules for a component that relabels by itself; nothing when there are none. */
  #relabelRules(): readonly Statement[] {
    const relabel = this.#discoveryRelabel();
    return relabel === "" ? [] : [attribute("relabel_rules", code(`${relabel}.rules`))];
  }

  /** Receivers behind a `loki.relabel` with the rules, for a source that does not relabel by itself. */
  #forwardToRelabel(): readonly string[] {
    const { conversion } = this.#context;
    const rules = convertRules(this.#fields.relabel_configs, conversion.log);
    if (rules.length === 0) return this.#forwardTo();
    const body = [attribute("forward_to", references(this.#forwardTo())), ...rules];
    this.#lokiRelabel ??= conversion.add(
      block("loki.relabel", body, { label: this.#label, origin: this.#fields.relabel_configs }),
    );
    return [`${this.#lokiRelabel}.receiver`];
  }

  #addFileSource(): void {
    const { conversion, positionsFile, watch, matching } = this.#context;
    const forwardTo = this.#forwardTo();
    const relabel = this.#discoveryRelabel();
    const { encoding, decompression } = this.#fields;
    const body: Statement[] = [
      attribute("targets", relabel === "" ? joinLists(this.#targets) : code(`${relabel}.output`)),
      attribute("forward_to", references(forwardTo)),
    ];
    if (encoding !== undefined)
      body.push(attribute("encoding", literal(encoding.text()), encoding));
    if (positionsFile !== undefined)
      body.push(attribute("legacy_positions_file", literal(positionsFile)));
    if (decompression !== undefined)
      body.push(
        block("decompression", convertFields(decompression, DECOMPRESSION_FIELDS, conversion.log), {
          origin: decompression,
        }),
      );
    body.push(block("file_match", [attribute("enabled", literal(true)), ...matching]));
    if (watch.length > 0) body.push(block("file_watch", watch));
    conversion.add(block("loki.source.file", body, { label: this.#label, origin: this.#node }));
  }

  /** A source that relabels by itself. */
  #addSource(
    component: string,
    node: YamlNode,
    fields: Fields,
    extra: readonly Statement[] = [],
  ): void {
    const forwardTo = this.#forwardTo();
    const rules = this.#relabelRules();
    const body = [
      attribute("forward_to", references(forwardTo)),
      ...convertFields(node, fields, this.#context.conversion.log),
      ...rules,
      ...extra,
    ];
    this.#context.conversion.add(block(component, body, { label: this.#label, origin: node }));
  }

  /** Where Promtail keeps the cursor of the job's journal. */
  #legacyCursor(): readonly Statement[] {
    const { positionsFile } = this.#context;
    const { job_name: name } = this.#fields;
    if (positionsFile === undefined || name === undefined) return [];
    return [
      block("legacy_position", [
        attribute("file", literal(positionsFile)),
        attribute("name", literal(name.text())),
      ]),
    ];
  }

  #addSyslog(node: YamlNode): void {
    const forwardTo = this.#forwardTo();
    const rules = this.#relabelRules();
    const listener = convertFields(node, SYSLOG_FIELDS, this.#context.conversion.log);
    const body = [
      attribute("forward_to", references(forwardTo)),
      ...rules,
      block("listener", listener, { origin: node }),
    ];
    this.#context.conversion.add(block(SOURCES.syslog, body, { label: this.#label, origin: node }));
  }

  #addWindowsEvents(node: YamlNode): void {
    const body = [
      attribute("forward_to", references(this.#forwardToRelabel())),
      ...convertFields(node, WINDOWS_EVENT_FIELDS, this.#context.conversion.log),
    ];
    this.#context.conversion.add(
      block(SOURCES.windows_events, body, { label: this.#label, origin: node }),
    );
  }

  /** Containers are found by `discovery.docker` and read by `loki.source.docker` from the same engine. */
  #addDocker(entry: YamlNode, label: string): void {
    const { conversion } = this.#context;
    const found = convertFields(entry, DOCKER_FIELDS, conversion.log);
    const discovery = conversion.add(block("discovery.docker", found, { label, origin: entry }));
    const forwardTo = this.#forwardTo();
    const rules = this.#relabelRules();
    const client = convertFields(entry, DOCKER_CLIENT_FIELDS, conversion.log);
    const body: Statement[] = [
      ...found.filter(({ name }) => name === "host" || name === "refresh_interval"),
      attribute("targets", code(`${discovery}.targets`)),
      attribute("forward_to", references(forwardTo)),
      ...rules,
    ];
    if (client.length > 0) body.push(block("http_client_config", client, { origin: entry }));
    conversion.add(block("loki.source.docker", body, { label, origin: entry }));
  }
}

/** Promtail reads pods of its own node only. */
function onThisNode(kind: string, entry: YamlNode): readonly Statement[] {
  if (kind !== "kubernetes" || entry.entries().get("role")?.text() !== "pod") return [];
  const node = code('"spec.nodeName=" + coalesce(sys.env("HOSTNAME"), constants.hostname)');
  return [
    block("selectors", [attribute("role", literal("pod")), attribute("field", node)], {
      origin: entry,
    }),
  ];
}

const DECOMPRESSION_FIELDS: Fields = { enabled: bool(), initial_delay: duration(), format: text() };

const JOURNAL_FIELDS: Fields = {
  json: bool("format_as_json"),
  max_age: duration(),
  path: text(),
  matches: text(),
  labels: map(),
};

const PUSH_FIELDS: Fields = {
  server: nested("http", PUSH_HTTP_FIELDS),
  labels: map(),
  use_incoming_timestamp: bool(),
  max_send_msg_size: ({ node }) =>
    node.number() === 0
      ? []
      : [attribute("max_send_message_size", literal(`${node.number()}B`), node)],
};

const SYSLOG_FIELDS: Fields = {
  listen_address: text("address"),
  listen_protocol: text("protocol"),
  syslog_format: text(),
  idle_timeout: duration(),
  label_structured_data: bool(),
  labels: map(),
  use_incoming_timestamp: bool(),
  use_rfc5424_message: bool(),
  max_message_length: number(),
  tls_config: nested("tls_config", TLS_FIELDS),
  raw_format_options: nested("raw_format_options", { use_null_terminator_delimiter: bool() }),
  rfc3164_cisco_components: nested("rfc3164_cisco_components", {
    enable_all: bool(),
    message_counter: bool(),
    sequence_number: bool(),
    hostname: bool(),
    second_fractions: bool(),
  }),
};

const WINDOWS_EVENT_FIELDS: Fields = {
  eventlog_name: text(),
  xpath_query: text(),
  // Zero is the language of the system.
  locale: ({ node, log }) => {
    if (node.number() !== 0)
      log.add("error", node, "not supported yet: locale; events come in the language of Windows");
    return [];
  },
  poll_interval: duration(),
  exclude_event_data: bool(),
  exclude_event_message: bool(),
  exclude_user_data: bool(),
  use_incoming_timestamp: bool(),
  labels: map(),
  bookmark_path: ({ node, log }) => {
    log.add(
      "warning",
      node,
      "the old bookmark is not taken over: events are read from the place the agent keeps itself, at first the newest",
    );
    return [];
  },
};

const DOCKER_CLIENT_FIELDS: Fields = {
  host: ignored,
  port: ignored,
  host_networking_host: ignored,
  match_first_network: ignored,
  refresh_interval: ignored,
  filters: ignored,
  ...PROMETHEUS_HTTP_CLIENT_FIELDS,
};
