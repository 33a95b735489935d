/** Options of logs: when a label has too many values to be one of streams, and certificates of syslog over TLS. */
import { parseDuration } from "@finch/model";
import type { ConfigOption } from "./config-options.ts";
import { badValue, parseCount } from "./config-values.ts";

/** What `assembleLogOptions` makes of the values. */
export interface LogOptions {
  /** 0 demotes no label. */
  readonly labelValuesMax: number;
  readonly labelValuesWindowMs: number;
  readonly syslogTls: {
    /** Files of PEM texts. */
    readonly certificate: string | undefined;
    readonly key: string | undefined;
    readonly clientAuthorities: string | undefined;
  };
}

const LIMITS = "limits.logs.";

export const LOG_OPTIONS: readonly ConfigOption[] = [
  {
    key: `${LIMITS}label_values`,
    placeholder: "COUNT",
    doc: "values a label may take within a service in a window; with more it becomes structured metadata, 0 never does",
    default: "1000",
    parse: (text) => parseCount(text, 0),
  },
  {
    key: `${LIMITS}label_values_window`,
    placeholder: "DURATION",
    doc: "the window that values of labels are counted in, such as 24h",
    default: "24h",
    parse: parseWindow,
  },
  file("tls_certificate", "certificate of syslog over TLS, with those that signed it"),
  file("tls_key", "key of that certificate"),
  file("tls_client_ca", "authorities that certificates of senders must be signed by"),
];

function file(key: string, doc: string): ConfigOption {
  const parse = (text: string) => (text === "none" ? undefined : text);
  return { key: `syslog.${key}`, placeholder: "FILE", doc: `${doc}; PEM`, default: "none", parse };
}

export function assembleLogOptions(value: (key: string) => unknown): LogOptions {
  return {
    labelValuesMax: value(`${LIMITS}label_values`) as number,
    labelValuesWindowMs: value(`${LIMITS}label_values_window`) as number,
    syslogTls: {
      certificate: value("syslog.tls_certificate") as string | undefined,
      key: value("syslog.tls_key") as string | undefined,
      clientAuthorities: value("syslog.tls_client_ca") as string | undefined,
    },
  };
}

function parseWindow(text: string): number {
  let ms: number;
  try {
    ms = parseDuration(text);
  } catch (error) {
    throw badValue(`"${text}" is no duration: write it such as 24h`, error);
  }
  if (ms < 60_000) throw badValue(`${text} is too short: the least is 1m`);
  return ms;
}
