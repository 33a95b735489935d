/** Opens the listeners of syslog that are on. */
import { readFile } from "node:fs/promises";
import { describeError, FinchError } from "@finch/runtime";
import type { Listener, ListenerSetting } from "@finch/runtime/http";
import { openSyslogDatagrams, openSyslogStream } from "@finch/server";
import type { LogsApi, SyslogTls } from "@finch/server";
import type { LogOptions } from "./config-log-options.ts";
import { LISTENERS } from "./config-options.ts";
import type { ListenAddress } from "./config-address.ts";
import type { SyslogListenerName } from "./config-options.ts";

/** Opens a listener that speaks no HTTP. */
export type OpenReceiver = (
  name: SyslogListenerName,
  address: ListenAddress,
  setting: ListenerSetting,
) => Promise<Listener>;

export function syslogOpener(
  syslog: LogsApi["syslog"],
  files: LogOptions["syslogTls"],
): OpenReceiver {
  return async (name, address, setting) => {
    const options = { name, purpose: LISTENERS[name].purpose, ...address, setting };
    switch (name) {
      case "syslog_tcp":
        return await openSyslogStream(syslog, options);
      case "syslog_udp":
        return await openSyslogDatagrams(syslog, options);
      case "syslog_tls":
        return await openSyslogStream(syslog, options, await readTls(files));
    }
  };
}

async function readTls(files: LogOptions["syslogTls"]): Promise<SyslogTls> {
  const { certificate = "", clientAuthorities, key = "" } = files;
  return {
    certificate: await readPem("syslog.tls_certificate", certificate),
    key: await readPem("syslog.tls_key", key),
    clientAuthorities:
      clientAuthorities === undefined
        ? undefined
        : await readPem("syslog.tls_client_ca", clientAuthorities),
  };
}

async function readPem(key: string, path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new FinchError("invalid", "finch/bad-config", `${key}: ${describeError(error)}`, {
      cause: error,
    });
  }
  if (text.includes("-----BEGIN ")) return text;
  throw new FinchError("invalid", "finch/bad-config", `${key}: ${path} is no PEM file`);
}
