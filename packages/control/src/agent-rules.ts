/**
 * What may be registered: the rules of the original Finch (`internal/controller/agent_marshal.go`, MIT), with its messages, and those that keep a configuration from being
 * generated that no agent would take. Pure.
 */
import { FinchError } from "@finch/runtime";
import { AGENT_LIST_MAX, AGENT_TEXT_CHARS_MAX, HOSTNAME_CHARS_MAX } from "./limits.ts";

export const NODES = ["unix", "windows"] as const;
export type Node = (typeof NODES)[number];

/** What can be edited of an agent. */
export interface AgentSettings {
  /** `key=value`, or a bare `key`, which stands for `key=true`. */
  readonly labels: readonly string[];
  /** URLs: `journal://`, `docker://`, `file:///path/glob`, `event://Channel`. */
  readonly logSources: readonly string[];
  /** Whether metrics of the machine are collected, and those of targets. */
  readonly metrics: boolean;
  /** `http://host:port/path`. */
  readonly metricsTargets: readonly string[];
  readonly profiles: boolean;
}

/** What is registered. */
export interface AgentDraft extends AgentSettings {
  /** Unique among all agents. */
  readonly hostname: string;
  /** `unix` when it is empty. */
  readonly node: string;
}

export type LogSource =
  | { readonly kind: "journal" | "docker" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "event"; readonly channel: string };

/** A checked draft: sources and targets that cannot be used are left out, and told in `left`. */
export interface Checked<T> {
  readonly value: T;
  /** What was left out, as it was given. */
  readonly left: readonly string[];
}

/** Checks a new agent, or throws what the caller is told. */
export function checkDraft(draft: AgentDraft): Checked<AgentDraft & { readonly node: Node }> {
  if (draft.hostname === "") throw refuse("hostname is required");
  if (draft.logSources.length === 0) throw refuse("at least one log source is required");
  checkText("hostname", draft.hostname, HOSTNAME_CHARS_MAX);
  const node = NODES.find((one) => one === (draft.node || "unix"));
  if (node === undefined) throw fail("node must be either 'windows' or 'unix'");
  const { value, left } = checkSettings(draft);
  return { value: { ...value, hostname: draft.hostname, node }, left };
}

/** Checks what can be edited. */
export function checkSettings(settings: AgentSettings): Checked<AgentSettings> {
  checkLists(settings);
  if (settings.logSources.length === 0) throw fail("at least one log source must be specified");
  const sources = settings.logSources.map((text) => ({ text, url: normalizeLogSource(text) }));
  const targets = settings.metricsTargets.map((text) => ({ text, url: normalizeTarget(text) }));
  const logSources = sources.flatMap(({ url }) => url ?? []);
  if (logSources.length === 0) throw fail("no valid log source specified");
  checkLabels(settings.labels);
  return {
    value: {
      labels: settings.labels,
      logSources: [...new Set(logSources)],
      metrics: settings.metrics,
      metricsTargets: [...new Set(targets.flatMap(({ url }) => url ?? []))],
      profiles: settings.profiles,
    },
    left: [...sources, ...targets].flatMap(({ text, url }) => (url === undefined ? text : [])),
  };
}

/** `key=value` or `key`, taken apart. */
export function parseLabel(label: string): readonly [name: string, value: string] {
  const at = label.indexOf("=");
  return at < 0 ? [label, "true"] : [label.slice(0, at), label.slice(at + 1)];
}

/** What a source stands for, or undefined when it is of no kind we know or names nothing. */
export function parseLogSource(url: string): LogSource | undefined {
  const parts = /^([a-z]+):(?:\/\/)?(.*)$/is.exec(url);
  const kind = parts?.[1]?.toLowerCase();
  const rest = decodePercent(parts?.[2] ?? "");
  if (hasControls(rest)) return undefined;
  if (kind === "journal" || kind === "docker") return { kind };
  if (kind === "event") return rest === "" ? undefined : { kind, channel: rest };
  if (kind !== "file") return undefined;
  // `file:///C:/logs` is how URLs write a path of Windows.
  const path = /^\/[A-Za-z]:[\\/]/.test(rest) ? rest.slice(1) : rest;
  return /^(?:\/|[A-Za-z]:[\\/])./s.test(path) ? { kind, path } : undefined;
}

/** Percent-decoded; text with a percent sign that is none of URLs stands for itself. */
export function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function normalizeLogSource(url: string): string | undefined {
  const source = parseLogSource(url);
  if (source === undefined) return undefined;
  return source.kind === "journal" || source.kind === "docker" ? `${source.kind}://` : url;
}

function normalizeTarget(text: string): string | undefined {
  if (!/^https?:\/\/[^/?#]/i.test(text) || hasControls(text)) return undefined;
  const url = URL.parse(text);
  if (url === null) return undefined;
  if (url.username !== "" || url.password !== "")
    throw refuse(
      `metrics target ${url.protocol}//…@${url.host}: a password does not belong there; collect it with a configuration of your own`,
    );
  return text;
}

/** Names that the generated configuration gives. */
const OWN_LABELS: ReadonlySet<string> = new Set(["host", "rid"]);

function checkLabels(labels: readonly string[]): void {
  const seen = new Set<string>();
  for (const label of labels) {
    const [name] = parseLabel(label);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw refuse(
        `label ${JSON.stringify(label)}: write key=value, with a key of letters, digits and underscores`,
      );
    if (OWN_LABELS.has(name) || name.startsWith("__"))
      throw refuse(`label ${JSON.stringify(label)}: the name ${name} is taken`);
    if (seen.has(name)) throw refuse(`label ${JSON.stringify(label)}: ${name} is there twice`);
    seen.add(name);
  }
}

function checkLists(settings: AgentSettings): void {
  const lists = {
    label: settings.labels,
    "log source": settings.logSources,
    "metrics target": settings.metricsTargets,
  };
  for (const [what, list] of Object.entries(lists)) {
    if (list.length > AGENT_LIST_MAX)
      throw refuse(`${list.length} of the kind ${what}: the most are ${AGENT_LIST_MAX}`);
    for (const text of list)
      if (text.length > AGENT_TEXT_CHARS_MAX)
        throw refuse(`a ${what} is longer than ${AGENT_TEXT_CHARS_MAX} characters`);
  }
  for (const label of settings.labels) checkText("label", label, AGENT_TEXT_CHARS_MAX);
}

function checkText(what: string, text: string, charsMax: number): void {
  if (text.length > charsMax) throw refuse(`the ${what} is longer than ${charsMax} characters`);
  if (hasControls(text)) throw refuse(`the ${what} has control characters`);
}

function hasControls(text: string): boolean {
  return /\p{Cc}/u.test(text) || !text.isWellFormed();
}

/** What the sender got wrong. */
function refuse(message: string): FinchError {
  return new FinchError("invalid", "control/bad-agent", message);
}

/** The same, where the original answers with another status. */
function fail(message: string): FinchError {
  return new FinchError("unprocessable", "control/bad-agent", message);
}
