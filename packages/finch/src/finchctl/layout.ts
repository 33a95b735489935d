/** Where things are on a host that finchctl sets up. */

/** All copies of Finch on the host, each below the id of its bundle; never changed once complete. */
export const RELEASES = "/opt/finch/releases";
/** Copies that are kept beside those in use, to go back to by hand. */
export const SPARE_RELEASES = 1;

export const SERVICE_CONFIG = "/etc/finch/finch.yaml";
export const SERVICE_CERTIFICATE = "/etc/finch/gateway.pem";
export const SERVICE_KEY = "/etc/finch/gateway.key";
export const SERVICE_DATA = "/var/lib/finch";
export const AGENT_CONFIG = "/etc/finch-agent/config.alloy";
export const AGENT_DATA = "/var/lib/finch-agent";

/** A program that is kept running. */
export interface Program {
  /** Of its unit, its process id file and its log. */
  readonly name: "finch" | "finch-agent";
  readonly description: string;
  /** A link to the release that runs. */
  readonly link: string;
  /** Below the link. */
  readonly command: string;
  /** Folder that it alone writes to. */
  readonly data: string;
}

export const SERVICE: Program = {
  name: "finch",
  description: "Finch: logs and metrics of your machines",
  link: "/opt/finch/service",
  command: `packages/finch/bin/finch up --config ${SERVICE_CONFIG}`,
  data: SERVICE_DATA,
};

export const AGENT: Program = {
  name: "finch-agent",
  description: "Finch agent: collects logs and metrics and sends them on",
  link: "/opt/finch/agent",
  command: `packages/finch/bin/finch agent run --storage.path=${AGENT_DATA} ${AGENT_CONFIG}`,
  data: AGENT_DATA,
};

export function unitPath({ name }: Program): string {
  return `/etc/systemd/system/${name}.service`;
}

/** The script that starts, stops and watches the program where no systemd does. */
export function supervisorPath({ name }: Program): string {
  return `/opt/finch/run-${name}`;
}
