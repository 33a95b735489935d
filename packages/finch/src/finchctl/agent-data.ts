/** What is to be collected of a machine, from the flags and the agent file (YAML) of the original; flags win over the file. */
import { readFile } from "node:fs/promises";
import { describeError, FinchError } from "@finch/runtime";
import type { AgentCollection } from "@finch/wire/finch-rpc";
import { parse } from "yaml";
import { badFlag } from "./output.ts";

/** By the names of the flags. */
export interface AgentFlags {
  readonly "agent.hostname"?: string;
  readonly "agent.labels"?: readonly string[];
  readonly "agent.logs.journal"?: boolean;
  readonly "agent.logs.docker"?: boolean;
  readonly "agent.logs.files"?: readonly string[];
  readonly "agent.logs.events"?: readonly string[];
  readonly "agent.metrics"?: boolean;
  readonly "agent.metrics.targets"?: readonly string[];
  readonly "agent.profiles"?: boolean;
  readonly "agent.node"?: string;
  readonly "agent.file"?: string;
}

export interface AgentData extends AgentCollection {
  readonly hostname: string;
  readonly node: string;
}

/** What the file says; undefined where it says nothing. */
interface AgentFile {
  readonly hostname?: string;
  readonly node?: string;
  readonly labels?: readonly string[];
  readonly journal?: boolean;
  readonly docker?: boolean;
  readonly files?: readonly string[];
  readonly events?: readonly string[];
  readonly metrics?: boolean;
  readonly targets?: readonly string[];
  readonly profiles?: boolean;
}

/** Keys of the file, with a dot for each level, and what they hold. */
const FILE_KEYS: Readonly<
  Record<string, readonly [name: keyof AgentFile, type: "text" | "switch" | "list"]>
> = {
  hostname: ["hostname", "text"],
  node: ["node", "text"],
  labels: ["labels", "list"],
  "logs.journal.enable": ["journal", "switch"],
  "logs.docker.enable": ["docker", "switch"],
  "logs.files": ["files", "list"],
  "logs.events": ["events", "list"],
  "metrics.enable": ["metrics", "switch"],
  "metrics.targets": ["targets", "list"],
  "profiles.enable": ["profiles", "switch"],
};

/** Puts flags, file and what is there so far together; `before` is what an agent that is edited has. */
export async function readAgentData(
  flags: AgentFlags,
  before: AgentData | undefined,
): Promise<AgentData> {
  const file = await readAgentFile(flags["agent.file"]);
  const targets = flags["agent.metrics.targets"] ?? file.targets ?? before?.metricsTargets ?? [];
  const hasNewTargets = (flags["agent.metrics.targets"] ?? file.targets ?? []).length > 0;
  return {
    hostname: flags["agent.hostname"] ?? file.hostname ?? before?.hostname ?? "",
    node: flags["agent.node"] ?? file.node ?? before?.node ?? "unix",
    labels: flags["agent.labels"] ?? file.labels ?? before?.labels ?? [],
    logSources: logSourcesOf(flags, file, before?.logSources ?? []),
    metrics:
      flags["agent.metrics"] ?? file.metrics ?? (hasNewTargets || (before?.metrics ?? false)),
    metricsTargets: targets,
    profiles: flags["agent.profiles"] ?? file.profiles ?? before?.profiles ?? false,
  };
}

/** What a machine that is not registered yet has to have. */
export function checkAgentData(data: AgentData): AgentData {
  if (data.hostname === "")
    throw badFlag("name the machine with --agent.hostname, or hostname in --agent.file");
  if (data.logSources.length === 0) {
    throw badFlag(
      "turn on at least one source of logs: --agent.logs.journal, --agent.logs.docker, --agent.logs.files /path/*.log or --agent.logs.events Channel",
    );
  }
  if (data.node !== "unix" && data.node !== "windows")
    throw badFlag(`--agent.node ${data.node}: unix or windows`);
  return data;
}

/** The sources by kind, as the file has them. */
export function sourcesByKind(logSources: readonly string[]): {
  readonly journal: boolean;
  readonly docker: boolean;
  readonly files: readonly string[];
  readonly events: readonly string[];
} {
  const after = (prefix: string) =>
    logSources.filter((one) => one.startsWith(prefix)).map((one) => one.slice(prefix.length));
  return {
    journal: logSources.some((one) => one.startsWith("journal:")),
    docker: logSources.some((one) => one.startsWith("docker:")),
    files: after("file://"),
    events: after("event://"),
  };
}

function logSourcesOf(
  flags: AgentFlags,
  file: AgentFile,
  before: readonly string[],
): readonly string[] {
  const had = sourcesByKind(before);
  const files = flags["agent.logs.files"] ?? file.files ?? had.files;
  const events = flags["agent.logs.events"] ?? file.events ?? had.events;
  return [
    ...((flags["agent.logs.journal"] ?? file.journal ?? had.journal) ? ["journal://"] : []),
    ...((flags["agent.logs.docker"] ?? file.docker ?? had.docker) ? ["docker://"] : []),
    ...files.map((path) => `file://${path}`),
    ...events.map((channel) => `event://${channel}`),
  ];
}

async function readAgentFile(path: string | undefined): Promise<AgentFile> {
  if (path === undefined) return {};
  let document: unknown;
  try {
    document = parse(await readFile(path, "utf8"));
  } catch (error) {
    throw badAgentFile(path, describeError(error));
  }
  const found: Record<string, unknown> = {};
  for (const [key, value] of flatten(document, "")) {
    const known = FILE_KEYS[key];
    if (known === undefined) {
      throw badAgentFile(
        path,
        `${key === "" ? "the whole" : key} is nothing it may say; it may say ${Object.keys(FILE_KEYS).join(", ")}`,
      );
    }
    const [name, type] = known;
    if (!hasType(value, type)) throw badAgentFile(path, `${key} is no ${type}`);
    found[name] = value;
  }
  return found as AgentFile;
}

/** Leaves of nested objects, with the path to each; what is empty is not there. */
function* flatten(value: unknown, path: string): Iterable<readonly [key: string, value: unknown]> {
  if (value === null || value === undefined) return;
  if (typeof value !== "object" || Array.isArray(value)) {
    yield [path, value];
    return;
  }
  for (const [key, inner] of Object.entries(value))
    yield* flatten(inner, path === "" ? key : `${path}.${key}`);
}

function hasType(value: unknown, type: "text" | "switch" | "list"): boolean {
  switch (type) {
    case "text":
      return typeof value === "string";
    case "switch":
      return typeof value === "boolean";
    case "list":
      return Array.isArray(value) && value.every((one) => typeof one === "string");
  }
}

function badAgentFile(path: string, why: string): FinchError {
  return new FinchError("invalid", "finch/bad-agent-file", `--agent.file ${path}: ${why}`);
}
