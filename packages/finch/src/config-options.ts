/**
 * Every option of `finch up`, once: its key in finch.yaml, its flag and its environment variable, how its value is read, and its words for
 * `--help`. The configuration, the command line and the reference are made from this table.
 */
import { parseBytes, parseDuration } from "@finch/model";
import type { Matcher } from "@finch/model";
import type { LogLevel } from "@finch/runtime";
import { parseListenAddress } from "./config-address.ts";
import type { ListenAddress } from "./config-address.ts";
import { GATEWAY_OPTIONS } from "./config-gateway-options.ts";
import type { GatewayConfig } from "./config-gateway-options.ts";
import { LOG_OPTIONS } from "./config-log-options.ts";
import type { LogOptions } from "./config-log-options.ts";
import { METRIC_OPTIONS } from "./config-metric-options.ts";
import type { MetricOptions } from "./config-metric-options.ts";
import { SERVICE_OPTIONS } from "./config-service-options.ts";
import type { ServiceOptions } from "./config-service-options.ts";
import { SIGN_IN_OPTIONS } from "./config-sign-in-options.ts";
import type { SignInOptions } from "./config-sign-in-options.ts";
import { badValue, oneOf, parseSize, parseSwitch } from "./config-values.ts";
import { QUERY_OPTIONS } from "./query-options.ts";
import type { QueryConfig } from "./query-options.ts";

export type ListenerName =
  | "ui"
  | "dashboard"
  | "auth"
  | "health"
  | "loki"
  | "prometheus"
  | "mimir"
  | "otlp_grpc"
  | "otlp_http"
  | "agent"
  | "elastic"
  | "journal"
  | SyslogListenerName;

export type SyslogListenerName = "syslog_tcp" | "syslog_udp" | "syslog_tls";
export type LogFormat = "auto" | "logfmt" | "pretty";

/** What matches is kept no longer than that. */
interface ConfiguredRule {
  readonly matchers: readonly Matcher[];
  readonly maxAgeMs: number;
}

export interface FinchConfig {
  readonly dataDirectory: string;
  readonly listen: Readonly<Record<ListenerName, ListenAddress | undefined>>;
  readonly retention: {
    readonly metricsMs: number;
    /** Series that are kept less long than the others. */
    readonly metricsRules: readonly ConfiguredRule[];
    /** Undefined: as many as the share of the disk. */
    readonly metricsBytes: number | undefined;
    readonly logsMs: number;
    readonly logsRules: readonly ConfiguredRule[];
    readonly logsBytes: number | undefined;
    readonly diskShare: number;
  };
  /** Whether requests for metrics belong to the tenant they name. */
  readonly multitenancy: boolean;
  /** Whether series can be deleted over HTTP. */
  readonly adminApi: boolean;
  /** Undefined: decided from the cgroup or the machine. */
  readonly memoryLimitBytes: number | undefined;
  readonly query: QueryConfig;
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
  readonly service: ServiceOptions;
  readonly signIn: SignInOptions;
  readonly gateway: GatewayConfig;
  readonly metrics: MetricOptions;
  readonly logs: LogOptions;
  /** All of the above by option key, as the text it was given in or its default. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface ConfigOption {
  /** In finch.yaml, with a dot for each level. */
  readonly key: string;
  /** What stands for the value in `--help`. */
  readonly placeholder: string;
  readonly doc: string;
  readonly default: string;
  /** Reads the text of a value; throws a FinchError that says what would be right. */
  readonly parse: (text: string) => unknown;
  /** Takes a list of values, each read by itself: a sequence in the file, elsewhere one text with semicolons between them, or `none`. */
  readonly isList?: boolean;
  /** Of a switch: its flag alone turns it on. */
  readonly isSwitch?: boolean;
}

export const LISTENERS: Readonly<
  Record<
    ListenerName,
    {
      readonly port: number;
      readonly purpose: string;
      /** Off unless it is asked for. */
      readonly isOff?: true;
    }
  >
> = {
  ui: { port: 3000, purpose: "the web application, Finch's own API and its gRPC" },
  dashboard: { port: 3001, purpose: "the dashboard of agents" },
  auth: { port: 3002, purpose: "GET /auth, which proxies in front ask about agents" },
  health: { port: 3003, purpose: "the health check GET /healthz" },
  loki: { port: 3100, purpose: "the Loki API" },
  prometheus: { port: 9090, purpose: "the Prometheus API" },
  mimir: { port: 8080, purpose: "the Mimir API" },
  otlp_grpc: { port: 4317, purpose: "the OTLP receiver over gRPC" },
  otlp_http: { port: 4318, purpose: "the OTLP receiver over HTTP" },
  agent: { port: 12345, purpose: "the agent's pages" },
  elastic: { port: 9200, purpose: "Elasticsearch's _bulk for shippers of logs", isOff: true },
  journal: { port: 19532, purpose: "systemd-journal-upload", isOff: true },
  syslog_tcp: { port: 5140, purpose: "syslog over TCP", isOff: true },
  syslog_udp: { port: 5140, purpose: "syslog over UDP", isOff: true },
  syslog_tls: { port: 6514, purpose: "syslog over TLS", isOff: true },
};

export const LISTENER_NAMES = Object.keys(LISTENERS) as readonly ListenerName[];

const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
const LOG_FORMATS = ["auto", "logfmt", "pretty"] as const;

export const CONFIG_OPTIONS: readonly ConfigOption[] = [
  {
    key: "data_dir",
    placeholder: "DIR",
    doc: "directory that holds everything Finch keeps",
    default: "./data",
    parse: parsePath,
  },
  ...LISTENER_NAMES.map((name) => ({
    key: `listen.${name}`,
    placeholder: "HOST:PORT",
    doc:
      LISTENERS[name].isOff === true
        ? `address of ${LISTENERS[name].purpose}, such as 127.0.0.1:${LISTENERS[name].port}`
        : `address of ${LISTENERS[name].purpose}; "off" turns it off`,
    default: LISTENERS[name].isOff === true ? "off" : `127.0.0.1:${LISTENERS[name].port}`,
    parse: parseListenAddress,
  })),
  {
    key: "retention.metrics",
    placeholder: "DURATION",
    doc: "how long metrics are kept, such as 72h or 30d",
    default: "72h",
    parse: parseRetention,
  },
  {
    key: "retention.metrics_rules",
    placeholder: "RULES",
    doc: 'series that are kept less long, such as `{__name__=~"debug_.+"} 24h`; a list in the file, with semicolons between them elsewhere',
    default: "none",
    parse: parseRetentionRule,
    isList: true,
  },
  {
    key: "retention.metrics_size",
    placeholder: "SIZE",
    doc: 'largest size of all metrics on disk, such as 20GB, the oldest go first; "none" leaves it to disk_share',
    default: "none",
    parse: parseRetentionSize,
  },
  {
    key: "retention.logs",
    placeholder: "DURATION",
    doc: "how long logs are kept",
    default: "72h",
    parse: parseRetention,
  },
  {
    key: "retention.logs_rules",
    placeholder: "RULES",
    doc: 'streams that are kept less long, such as `{job="dev"} 24h`; a list in the file, with semicolons between them elsewhere',
    default: "none",
    parse: parseRetentionRule,
    isList: true,
  },
  {
    key: "retention.logs_size",
    placeholder: "SIZE",
    doc: 'largest size of all logs on disk, such as 50GB, the oldest go first; "none" leaves it to disk_share',
    default: "none",
    parse: parseRetentionSize,
  },
  {
    key: "retention.disk_share",
    placeholder: "SHARE",
    doc: "largest share of the disk that metrics, and that logs, may take (0.01 to 0.9)",
    default: "0.4",
    parse: parseShare,
  },
  {
    key: "multitenancy",
    placeholder: "SWITCH",
    doc: "on or off: whether metrics belong to the tenant that X-Scope-OrgID names, and requests without are refused",
    default: "off",
    parse: parseSwitch,
  },
  {
    key: "admin_api",
    placeholder: "SWITCH",
    doc: "on or off: whether series can be deleted and the store copied over HTTP (/api/v1/admin/tsdb)",
    default: "off",
    parse: parseSwitch,
  },
  {
    key: "memory_limit",
    placeholder: "SIZE",
    doc: 'memory that heads, queues and requests are sized for, such as 512MiB; "auto" takes the cgroup\'s limit or half of RAM',
    default: "auto",
    parse: parseMemoryLimit,
  },
  ...SERVICE_OPTIONS,
  ...SIGN_IN_OPTIONS,
  ...GATEWAY_OPTIONS,
  ...METRIC_OPTIONS,
  ...LOG_OPTIONS,
  ...QUERY_OPTIONS,
  {
    key: "log.level",
    placeholder: "LEVEL",
    doc: `least level logged: ${LOG_LEVELS.join(", ")}`,
    default: "info",
    parse: (text) => oneOf(text, LOG_LEVELS),
  },
  {
    key: "log.format",
    placeholder: "FORMAT",
    doc: `${LOG_FORMATS.join(", ")}; auto is pretty on a terminal`,
    default: "auto",
    parse: (text) => oneOf(text, LOG_FORMATS),
  },
];

/** Headings of `--help`, by what keys begin with. */
const TOPICS: Readonly<Record<string, string>> = {
  listen: "Listeners",
  gateway: "The public entrance",
  service: "This service, as others see it",
  sign_in: "Sign-in of people",
  retention: "Retention",
  limits: "Limits of what comes in",
  syslog: "Syslog over TLS",
  otlp: "OTLP",
  promql: "PromQL",
  query: "Limits of queries",
  log: "Finch's own log",
};

/** The heading an option stands under. */
export function topicOf(key: string): string {
  const [first, rest] = key.split(".");
  return (rest !== undefined && TOPICS[first!]) || "General";
}

/** `listen.ui` → `--listen-ui`. */
export function flagOf(key: string): string {
  return `--${key.replaceAll(/[._]/g, "-")}`;
}

/** `listen.ui` → `FINCH_LISTEN_UI`. */
export function envOf(key: string): string {
  return `FINCH_${key.replaceAll(".", "_").toUpperCase()}`;
}

function parsePath(text: string): string {
  if (text.trim() === "") throw badValue("a directory is needed");
  return text;
}

function parseRetention(text: string): number {
  let ms: number;
  try {
    ms = parseDuration(text);
  } catch (error) {
    throw badValue(`"${text}" is no duration: write it such as 72h, 30d or 1w`, error);
  }
  if (ms < 3_600_000) throw badValue(`${text} is too short: the least is 1h`);
  return ms;
}

/** A selector, which `config.ts` reads, and a duration. */
function parseRetentionRule(text: string): {
  readonly selector: string;
  readonly maxAgeMs: number;
} {
  const parts = /^(.*\S)\s+(\S+)$/s.exec(text.trim());
  if (parts === null)
    throw badValue(
      `"${text}" is no rule: write a selector and a duration, such as {job="dev"} 24h`,
    );
  return { selector: parts[1]!, maxAgeMs: parseRetention(parts[2]!) };
}

/** Blocks expire whole: with less room than a few of them nothing would be kept for long. */
const RETENTION_BYTES_MIN = 256 * 1024 * 1024;

function parseRetentionSize(text: string): number | undefined {
  if (text === "none") return undefined;
  return parseSize(text, { least: RETENTION_BYTES_MIN, most: Number.MAX_SAFE_INTEGER });
}

function parseShare(text: string): number {
  const share = Number(text);
  if (text.trim() === "" || !(share >= 0.01 && share <= 0.9)) {
    throw badValue(`"${text}" is no share: give a number from 0.01 to 0.9`);
  }
  return share;
}

/** Below this the heads would be sealed all the time. */
const MEMORY_BYTES_MIN = 128 * 1024 * 1024;

function parseMemoryLimit(text: string): number | undefined {
  if (text === "auto") return undefined;
  let bytes: number;
  try {
    bytes = parseBytes(text);
  } catch (error) {
    throw badValue(`"${text}" is no size: write it such as 512MiB or 2GB, or auto`, error);
  }
  if (bytes < MEMORY_BYTES_MIN) throw badValue(`${text} is too little: the least is 128MiB`);
  return bytes;
}
