/**
 * Promtail's configuration as components. Names and labels are those that Alloy's converter gives: a job is the label of its components, the
 * n-th client is `loki.write.default_n`. Logs of the static agent are converted by the same functions, under a label of their own.
 */
import type { YamlNode } from "../yaml-config.ts";
import { attribute, block, literal } from "./alloy-tree.ts";
import type { Block, Statement } from "./alloy-tree.ts";
import { numberedLabel } from "./conversion.ts";
import type { Conversion } from "./conversion.ts";
import {
  bytes,
  convertFields,
  duration,
  ignored,
  map,
  number,
  readBool,
  refused,
  refusedWhenTrue,
  text,
} from "./fields.ts";
import type { Fields } from "./fields.ts";
import { HTTP_CLIENT_FIELDS } from "./http-client-fields.ts";
import { convertPromtailJob } from "./promtail-job.ts";
import type { PromtailContext } from "./promtail-job.ts";
import { HTTP_TLS_FIELDS, SERVER_FIELDS } from "./promtail-server.ts";

/** Where Promtail keeps its positions when it is told nothing. */
const DEFAULT_POSITIONS_FILE = "/var/log/positions.yaml";

const TOP_LEVEL = [
  "server",
  "client",
  "clients",
  "positions",
  "scrape_configs",
  "global",
  "target_config",
  "limits_config",
  "options",
  "tracing",
  "wal",
] as const;

/** The parts about logs; the static agent has them for each of its instances. */
export interface PromtailSections {
  readonly clients: readonly YamlNode[];
  readonly positions: YamlNode | undefined;
  readonly jobs: readonly YamlNode[];
  readonly targetConfig: YamlNode | undefined;
  readonly limits: YamlNode | undefined;
  /** `file_watch_config`. */
  readonly watch: YamlNode | undefined;
}

export function convertPromtail(root: YamlNode, conversion: Conversion): void {
  const sections = root.fields(TOP_LEVEL);
  const { log } = conversion;
  log.guard(() => convertServer(sections.server, conversion));
  if (sections.tracing !== undefined)
    log.guard(() => convertFields(sections.tracing!, TRACING_FIELDS, log));
  if (sections.wal !== undefined) log.guard(() => convertFields(sections.wal!, WAL_FIELDS, log));
  if (sections.options !== undefined)
    log.add("warning", sections.options, "not needed here; it is left out");
  const { client, clients, global, scrape_configs: jobs } = sections;
  convertPromtailSections(
    {
      // As in Promtail, the single client comes after those of the list.
      clients: [...(clients?.list() ?? []), ...(client === undefined ? [] : [client])],
      positions: sections.positions,
      jobs: jobs?.list() ?? [],
      targetConfig: sections.target_config,
      limits: sections.limits_config,
      watch: log.guard(() => global?.fields(["file_watch_config"]).file_watch_config),
    },
    conversion,
    { label: "", positionsFile: DEFAULT_POSITIONS_FILE },
  );
}

const TRACING_FIELDS: Fields = {
  enabled: refusedWhenTrue("the agent's own traces cannot be sent anywhere yet", "warning"),
};

const WAL_FIELDS: Fields = {
  enabled: refusedWhenTrue(
    "loki.write always keeps its queue on disk, below --storage.path",
    "info",
  ),
  dir: ignored,
  cleanSegmentsOlderThan: ignored,
  watchConfig: ignored,
};

function convertServer(server: YamlNode | undefined, conversion: Conversion): void {
  if (server === undefined) return;
  const { log } = conversion;
  const logging = convertFields(server, SERVER_FIELDS, log);
  if (logging.length > 0) conversion.add(block("logging", logging, { origin: server }));
  const tls = server.entries().get("http_tls_config");
  if (tls === undefined) return;
  const body = convertFields(tls, HTTP_TLS_FIELDS, log);
  conversion.add(block("http", [block("tls", body, { origin: tls })], { origin: tls }));
}

export interface PromtailOptions {
  /** In front of the label of each component; empty for Promtail itself. */
  readonly label: string;
  /** Where positions are when `positions` does not say; undefined when there are none to take over. */
  readonly positionsFile: string | undefined;
}

/** Clients, jobs and what is common to them. */
export function convertPromtailSections(
  sections: PromtailSections,
  conversion: Conversion,
  options: PromtailOptions,
): void {
  const { log } = conversion;
  const limits = log.guard(() => readLimits(sections.limits, conversion)) ?? NO_LIMITS;
  const writes = convertClients(sections.clients, conversion, {
    label: options.label === "" ? "default" : options.label,
    maxStreams: limits.maxStreams,
  });
  const context: PromtailContext = {
    conversion,
    label: options.label,
    receivers: writes.map(({ label }) => `loki.write.${label}.receiver`),
    positionsFile: log.guard(() => readPositions(sections.positions)) ?? options.positionsFile,
    watch: log.guard(() => readOptional(sections.watch, WATCH_FIELDS, conversion)) ?? [],
    matching: log.guard(() => readOptional(sections.targetConfig, TARGET_FIELDS, conversion)) ?? [],
    limitStages: limits.stages,
  };
  for (const job of sections.jobs) log.guard(() => convertPromtailJob(job, context));
  for (const write of writes) conversion.add(write);
}

interface Limits {
  readonly maxStreams: readonly Statement[];
  /** Stages in front of those of every job. */
  readonly stages: readonly Block[];
}

const NO_LIMITS: Limits = { maxStreams: [], stages: [] };

const LIMIT_KEYS = [
  "readline_rate_enabled",
  "readline_rate",
  "readline_burst",
  "readline_rate_drop",
  "max_streams",
  "max_line_size",
  "max_line_size_truncate",
] as const;

const RATE_DEFAULT = 10_000;

function readLimits(limits: YamlNode | undefined, conversion: Conversion): Limits {
  if (limits === undefined) return NO_LIMITS;
  const found = limits.fields(LIMIT_KEYS);
  const stages: Block[] = [];
  if (found.readline_rate_enabled !== undefined && readBool(found.readline_rate_enabled)) {
    conversion.log.add(
      "warning",
      limits,
      "the rate of lines is limited for each job by itself, not for all together",
    );
    const drops = found.readline_rate_drop === undefined || readBool(found.readline_rate_drop);
    stages.push(
      block("stage.limit", [
        attribute("rate", literal(found.readline_rate?.number() ?? RATE_DEFAULT)),
        attribute("burst", literal(found.readline_burst?.number() ?? RATE_DEFAULT)),
        attribute("drop", literal(drops)),
      ]),
    );
  }
  const size = found.max_line_size;
  if (size !== undefined && size.text() !== "0") {
    const truncates =
      found.max_line_size_truncate !== undefined && readBool(found.max_line_size_truncate);
    const { log } = conversion;
    stages.push(
      truncates
        ? block("stage.truncate", [
            block("rule", bytes("limit")({ key: "", node: size, log }), { origin: size }),
          ])
        : block("stage.drop", bytes("longer_than")({ key: "", node: size, log })),
    );
  }
  const maxStreams =
    found.max_streams === undefined
      ? []
      : number()({ key: "max_streams", node: found.max_streams, log: conversion.log });
  return { maxStreams, stages };
}

function readOptional(
  node: YamlNode | undefined,
  fields: Fields,
  conversion: Conversion,
): readonly Statement[] {
  return node === undefined ? [] : convertFields(node, fields, conversion.log);
}

const WATCH_FIELDS: Fields = { min_poll_frequency: duration(), max_poll_frequency: duration() };

const TARGET_FIELDS: Fields = {
  sync_period: duration(),
  stdin: refusedWhenTrue("standard input is not read; write to a file or send to loki.source.api"),
};

function readPositions(positions: YamlNode | undefined): string | undefined {
  return positions?.fields(["filename", "sync_period", "ignore_invalid_yaml"]).filename?.text();
}

const ENDPOINT_FIELDS: Fields = {
  url: text(),
  name: text(),
  tenant_id: text(),
  batchwait: duration("batch_wait"),
  batchsize: bytes("batch_size"),
  timeout: duration("remote_timeout"),
  headers: map(),
  backoff_config: ({ node, log }) =>
    convertFields(
      node,
      {
        min_period: duration("min_backoff_period"),
        max_period: duration("max_backoff_period"),
        max_retries: number("max_backoff_retries"),
      },
      log,
    ),
  drop_rate_limited_batches: ({ node }) =>
    readBool(node) ? [attribute("retry_on_http_429", literal(false), node)] : [],
  external_labels: ignored,
  stream_lag_labels: refused("there is no metric of a stream's lag; it is left out", "warning"),
  ...HTTP_CLIENT_FIELDS,
};

/** `loki.write` components, not added yet: they stand behind the jobs. */
function convertClients(
  clients: readonly YamlNode[],
  conversion: Conversion,
  options: { readonly label: string; readonly maxStreams: readonly Statement[] },
): readonly Block[] {
  const { log } = conversion;
  return clients.flatMap((client, index) => {
    const label = numberedLabel(index, options.label);
    const write = log.guard(() => {
      const { external_labels: external, url } = Object.fromEntries(client.entries());
      if (url === undefined) throw client.fault("a client needs a url");
      const labels =
        external === undefined ? [] : map()({ key: "external_labels", node: external, log });
      const endpoint = convertFields(client, ENDPOINT_FIELDS, log);
      const body = [
        ...labels,
        ...options.maxStreams,
        block("endpoint", endpoint, { origin: client }),
      ];
      return block("loki.write", body, { label, origin: client });
    });
    return write ?? [];
  });
}
