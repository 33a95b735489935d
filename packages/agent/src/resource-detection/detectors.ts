/** Detectors of `otelcol.processor.resourcedetection`: each finds attributes of the resource the agent runs on. */
import type { Attributes } from "@finch/wire";
import type { HostFacts } from "./host-facts.ts";
import { findHostName, type HostnameSource } from "./host-name.ts";

export const DETECTORS = ["env", "system", "docker", "heroku"] as const;
export type DetectorName = (typeof DETECTORS)[number];

export interface DetectionOptions {
  /** Names that are added, by detector. */
  readonly enabled: Readonly<Record<Exclude<DetectorName, "env">, ReadonlySet<string>>>;
  readonly hostnameSources: readonly HostnameSource[];
}

type Detector = (
  host: HostFacts,
  options: DetectionOptions,
  signal: AbortSignal,
) => Promise<Attributes>;

/** Rejects with what is wrong. */
export async function detect(
  name: DetectorName,
  host: HostFacts,
  { options, signal }: { readonly options: DetectionOptions; readonly signal: AbortSignal },
): Promise<Attributes> {
  const found = await BY_NAME[name](host, options, signal);
  if (name === "env") return found;
  return new Map([...found].filter(([key]) => options.enabled[name].has(key)));
}

const BY_NAME: Readonly<Record<DetectorName, Detector>> = {
  env: (host) => Promise.resolve(readEnvironment(host)),
  system: detectSystem,
  docker: async (host, _, signal) => {
    const { name, osType } = await host.dockerInfo(signal);
    return new Map([
      ["host.name", name],
      ["os.type", osType],
    ]);
  },
  heroku: (host) => Promise.resolve(readHeroku(host)),
};

const PAIR = /\s*([\0-\x7f]{1,256}?)\s*=\s*([\0-\x7f]{0,256}?)\s*(?:,|$)/y;

/** `OTEL_RESOURCE_ATTRIBUTES`: `key=value,key2=value2`, values percent-encoded. */
function readEnvironment(host: HostFacts): Attributes {
  const current = host.env("OTEL_RESOURCE_ATTRIBUTES")?.trim();
  const text = current || host.env("OTEL_RESOURCE")?.trim() || "";
  const attributes: Attributes = new Map();
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < text.length) {
    const at = PAIR.lastIndex;
    const pair = PAIR.exec(text);
    if (pair === null)
      throw new Error(
        `OTEL_RESOURCE_ATTRIBUTES: no KEY=VALUE in ${JSON.stringify(text.slice(at))}`,
      );
    attributes.set(pair[1]!, decodeValue(pair[2]!));
  }
  return attributes;
}

/** As in a query: a plus is a blank. */
function decodeValue(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll("+", " "));
  } catch (error) {
    throw new Error(`OTEL_RESOURCE_ATTRIBUTES: wrong escape in ${JSON.stringify(value)}`, {
      cause: error,
    });
  }
}

const HEROKU: Readonly<Record<string, string>> = {
  "heroku.app.id": "HEROKU_APP_ID",
  "heroku.dyno.id": "HEROKU_DYNO_ID",
  "heroku.release.commit": "HEROKU_SLUG_COMMIT",
  "heroku.release.creation_timestamp": "HEROKU_RELEASE_CREATED_AT",
  "service.instance.id": "HEROKU_DYNO_ID",
  "service.name": "HEROKU_APP_NAME",
  "service.version": "HEROKU_RELEASE_VERSION",
};

/** Nothing where the agent runs in no dyno. */
function readHeroku(host: HostFacts): Attributes {
  if (!host.env("HEROKU_DYNO_ID")) return new Map();
  const attributes: Attributes = new Map([["cloud.provider", "heroku"]]);
  for (const [key, variable] of Object.entries(HEROKU)) {
    const value = host.env(variable);
    if (value) attributes.set(key, value);
  }
  return attributes;
}

const OS_TYPES: Readonly<Record<string, string>> = { win32: "windows", sunos: "solaris" };
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: "amd64",
  ia32: "x86",
  arm: "arm32",
  ppc64: "ppc64",
};

async function detectSystem(host: HostFacts, options: DetectionOptions): Promise<Attributes> {
  const enabled = options.enabled.system;
  const attributes: Attributes = new Map<string, string | string[]>([
    ["host.name", await findHostName(host, options.hostnameSources)],
    ["os.type", OS_TYPES[host.platform] ?? host.platform],
    ["host.arch", ARCHITECTURES[host.arch] ?? host.arch],
  ]);
  const outside = host.addresses().filter(({ isInternal }) => !isInternal);
  attributes.set("host.ip", [...new Set(outside.map(({ address }) => address))]);
  const macs = outside.map(({ mac }) => mac.toUpperCase().replaceAll(":", "-"));
  attributes.set("host.mac", [...new Set(macs)]);
  if (enabled.has("host.id")) setText(attributes, "host.id", await machineId(host));
  if (enabled.has("os.description"))
    setText(attributes, "os.description", await describeSystem(host));
  if ([...enabled].some((name) => name.startsWith("host.cpu.")))
    for (const [key, value] of await describeProcessor(host)) attributes.set(key, value);
  return attributes;
}

function setText(attributes: Attributes, key: string, value: string | undefined): void {
  if (value !== undefined && value !== "") attributes.set(key, value);
}

async function machineId(host: HostFacts): Promise<string | undefined> {
  const id = await host.readText("/etc/machine-id");
  return (id ?? (await host.readText("/var/lib/dbus/machine-id")))?.trim();
}

/** `Debian GNU/Linux 13 (trixie) (Linux web-1 6.12.0 #1 SMP … x86_64)`. */
async function describeSystem(host: HostFacts): Promise<string> {
  const release =
    (await host.readText("/etc/os-release")) ?? (await host.readText("/usr/lib/os-release")) ?? "";
  const pretty = /^PRETTY_NAME=(?:"(.*)"|'(.*)'|(.*))$/m.exec(release);
  const name = pretty?.[1] ?? pretty?.[2] ?? pretty?.[3];
  const kernel = host.uname();
  const system = host.platform === "linux" ? "Linux" : host.platform;
  const uname = [system, host.hostname(), kernel.release, kernel.version, kernel.machine].join(" ");
  return name === undefined ? uname : `${name} (${uname})`;
}

/** Lines of the first processor of `/proc/cpuinfo`. */
async function describeProcessor(host: HostFacts): Promise<Attributes> {
  const [first = ""] = ((await host.readText("/proc/cpuinfo")) ?? "").split("\n\n");
  const lines = new Map(
    first.split("\n").map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
  const attributes: Attributes = new Map();
  setText(attributes, "host.cpu.vendor.id", lines.get("vendor_id"));
  setText(attributes, "host.cpu.family", lines.get("cpu family"));
  setText(attributes, "host.cpu.model.id", lines.get("model"));
  setText(attributes, "host.cpu.model.name", lines.get("model name"));
  setText(attributes, "host.cpu.stepping", lines.get("stepping"));
  const cache = /^(\d+) KB$/.exec(lines.get("cache size") ?? "")?.[1];
  if (cache !== undefined) attributes.set("host.cpu.cache.l2.size", BigInt(cache));
  return attributes;
}
