/**
 * Reads finch.yaml, `FINCH_*` and flags into one FinchConfig: flags win over the environment, the environment over the file. All faults are
 * reported at once, each with its place. Never touches the disk: `main.ts` brings the texts.
 */
import { parseSelector } from "@finch/logql";
import type { Matcher } from "@finch/model";
import { parseMetricSelector } from "@finch/promql";
import { closestName, FinchError } from "@finch/runtime";
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Node, Pair, YAMLMap } from "yaml";
import { assembleGatewayOptions } from "./config-gateway-options.ts";
import { assembleLogOptions } from "./config-log-options.ts";
import { assembleMetricOptions } from "./config-metric-options.ts";
import { assembleServiceOptions } from "./config-service-options.ts";
import { assembleSignInOptions } from "./config-sign-in-options.ts";
import { CONFIG_OPTIONS, envOf, flagOf } from "./config-options.ts";
import type { ConfigOption, FinchConfig, ListenerName } from "./config-options.ts";
import { LISTENER_NAMES } from "./config-options.ts";
import { assembleQueryConfig } from "./query-options.ts";

export interface ConfigSources {
  /** Text of finch.yaml with the name to show in messages. */
  readonly file: { readonly name: string; readonly text: string } | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By option key: `listen.ui`. */
  readonly flags: Readonly<Record<string, string | undefined>>;
}

interface GivenValue {
  readonly text: string;
  /** `finch.yaml:3:7`, `FINCH_LISTEN_UI` or `--listen-ui`. */
  readonly place: string;
  /** Of a list in the file: its values one by one. */
  readonly items?: readonly GivenValue[];
}

/** The whole configuration, or a FinchError `finch/bad-config` whose message lists every fault on a line of its own. */
export function parseConfig(sources: ConfigSources): FinchConfig {
  const faults: string[] = [];
  const given = new Map<string, GivenValue>();
  if (sources.file !== undefined) readFile(sources.file, given, faults);
  readEnv(sources.env, given, faults);
  for (const [key, text] of Object.entries(sources.flags)) {
    if (text !== undefined) given.set(key, { text, place: flagOf(key) });
  }
  const values = new Map<string, unknown>();
  const settings: Record<string, string> = {};
  for (const option of CONFIG_OPTIONS) {
    const value = given.get(option.key) ?? { text: option.default, place: "default" };
    settings[option.key] = value.text;
    values.set(option.key, readValue(option, value, faults));
  }
  for (const [signal, parseSelectorOf] of RULE_SELECTORS) {
    const key = `retention.${signal}_rules`;
    const rules = values.get(key) as readonly GivenRule[];
    const maxAgeMs = values.get(`retention.${signal}`) as number | undefined;
    values.set(key, readRules(rules, { signal, maxAgeMs, parseSelectorOf }, faults));
  }
  checkReadScopes(values.get("sign_in.oidc.read_scopes") as readonly GivenScope[], faults);
  if (values.get("listen.syslog_tls") !== undefined) {
    for (const key of ["syslog.tls_certificate", "syslog.tls_key"])
      if (values.get(key) === undefined) faults.push(`${key}: listen.syslog_tls needs this file`);
  }
  const gateway = assembleGatewayOptions((key) => values.get(key), faults);
  if (faults.length > 0) {
    throw new FinchError("invalid", "finch/bad-config", faults.join("\n"));
  }
  return assemble((key) => values.get(key), { settings, gateway });
}

/** The value of an option, of a list all of them with their places; what is wrong goes to `faults`. */
function readValue(option: ConfigOption, given: GivenValue, faults: string[]): unknown {
  const read = ({ text, place }: GivenValue): unknown => {
    try {
      return option.parse(text);
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      faults.push(`${place}: ${option.key}: ${error.message}`);
      return undefined;
    }
  };
  if (option.isList !== true) return read(given);
  const found: { readonly value: unknown; readonly place: string }[] = [];
  for (const item of given.items ?? splitList(given)) {
    const value = read(item);
    if (value !== undefined) found.push({ value, place: item.place });
  }
  return found;
}

/** Values between semicolons that stand in no quotes. */
function splitList({ text, place }: GivenValue): GivenValue[] {
  if (text.trim() === "none") return [];
  const parts = text.match(/(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|[^;])+/gs) ?? [];
  const values = parts.map((part) => ({ text: part.trim(), place }));
  return values.filter((value) => value.text !== "");
}

interface GivenScope {
  readonly value: { readonly selector: string };
  readonly place: string;
}

function checkReadScopes(given: readonly GivenScope[], faults: string[]): void {
  for (const { value, place } of given) {
    try {
      parseSelector(value.selector);
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      faults.push(`${place}: sign_in.oidc.read_scopes: ${error.message}`);
    }
  }
}

interface GivenRule {
  readonly value: { readonly selector: string; readonly maxAgeMs: number };
  readonly place: string;
}

/** Whose rules there are, and what reads their selectors. */
const RULE_SELECTORS = [
  ["metrics", parseMetricSelector],
  ["logs", parseSelector],
] as const;

function readRules(
  given: readonly GivenRule[],
  of: {
    readonly signal: "metrics" | "logs";
    readonly maxAgeMs: number | undefined;
    readonly parseSelectorOf: (text: string) => readonly Matcher[];
  },
  faults: string[],
): FinchConfig["retention"]["metricsRules"] {
  const { signal } = of;
  const rules: FinchConfig["retention"]["metricsRules"][number][] = [];
  for (const { value, place } of given) {
    const { selector, maxAgeMs } = value;
    const fault = (message: string) =>
      faults.push(`${place}: retention.${signal}_rules: ${message}`);
    if (of.maxAgeMs !== undefined && maxAgeMs >= of.maxAgeMs)
      fault(`the duration of "${selector}" must be shorter than retention.${signal}`);
    try {
      rules.push({ matchers: of.parseSelectorOf(selector), maxAgeMs });
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      fault(`"${selector}" is no selector: ${error.message}`);
    }
  }
  return rules;
}

function assemble(
  value: (key: string) => unknown,
  known: Pick<FinchConfig, "settings" | "gateway">,
): FinchConfig {
  const listen: Partial<Record<ListenerName, FinchConfig["listen"][ListenerName]>> = {};
  for (const name of LISTENER_NAMES) {
    listen[name] = value(`listen.${name}`) as FinchConfig["listen"][ListenerName];
  }
  return {
    dataDirectory: value("data_dir") as string,
    listen: listen as FinchConfig["listen"],
    retention: {
      metricsMs: value("retention.metrics") as number,
      metricsRules: value("retention.metrics_rules") as FinchConfig["retention"]["metricsRules"],
      metricsBytes: value("retention.metrics_size") as number | undefined,
      logsMs: value("retention.logs") as number,
      logsRules: value("retention.logs_rules") as FinchConfig["retention"]["logsRules"],
      logsBytes: value("retention.logs_size") as number | undefined,
      diskShare: value("retention.disk_share") as number,
    },
    multitenancy: value("multitenancy") as boolean,
    adminApi: value("admin_api") as boolean,
    memoryLimitBytes: value("memory_limit") as number | undefined,
    query: assembleQueryConfig(value),
    log: {
      level: value("log.level") as FinchConfig["log"]["level"],
      format: value("log.format") as FinchConfig["log"]["format"],
    },
    service: assembleServiceOptions(value),
    signIn: assembleSignInOptions(value),
    metrics: assembleMetricOptions(value),
    logs: assembleLogOptions(value),
    ...known,
  };
}

function readEnv(
  env: ConfigSources["env"],
  given: Map<string, GivenValue>,
  faults: string[],
): void {
  const known = new Map(CONFIG_OPTIONS.map((option) => [envOf(option.key), option.key]));
  for (const [name, text] of Object.entries(env)) {
    if (text === undefined || !name.startsWith("FINCH_") || OTHER_ENV.has(name)) continue;
    const key = known.get(name);
    if (key === undefined) faults.push(`${name}: unknown variable${suggest(name, known.keys())}`);
    else given.set(key, { text, place: name });
  }
}

/** Variables of other commands (`finch query`, finchctl), which are none of ours to refuse. */
const OTHER_ENV: ReadonlySet<string> = new Set([
  "FINCH_API_TOKEN",
  "FINCH_CONFIG",
  "FINCH_SKIP_TLS_VERIFY",
]);

function readFile(
  file: { readonly name: string; readonly text: string },
  given: Map<string, GivenValue>,
  faults: string[],
): void {
  const lines = new LineCounter();
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false });
  const placeAt = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file.name}:${line}:${col}`;
  };
  for (const error of document.errors) faults.push(`${placeAt(error.pos[0])}: ${error.message}`);
  const root = document.contents;
  if (faults.length > 0 || root === null) return;
  if (!isMap(root)) {
    faults.push(`${placeAt(offsetOf(root))}: keys and values are expected, such as "listen:"`);
    return;
  }
  readMap(root, "", { given, faults, placeAt });
}

interface MapReader {
  readonly given: Map<string, GivenValue>;
  readonly faults: string[];
  readonly placeAt: (offset: number) => string;
}

function readMap(map: YAMLMap, prefix: string, reader: MapReader): void {
  const { given, faults, placeAt } = reader;
  const keys = keysBelow(prefix);
  for (const pair of map.items as Pair<Node, Node | null>[]) {
    const name = isScalar(pair.key) ? String(pair.key.value) : "";
    const place = placeAt(offsetOf(pair.key));
    const option: ConfigOption | undefined = CONFIG_OPTIONS.find(
      (one) => one.key === prefix + name,
    );
    const { value } = pair;
    if (!keys.has(name)) {
      const where = prefix === "" ? "" : ` in "${prefix.slice(0, -1)}"`;
      faults.push(`${place}: unknown key "${name}"${where}${suggest(name, keys)}`);
    } else if (option === undefined) {
      if (isMap(value)) readMap(value, `${prefix}${name}.`, reader);
      else if (value !== null && !(isScalar(value) && value.value === null)) {
        const inner = [...keysBelow(`${prefix}${name}.`)].join(", ");
        faults.push(`${place}: "${name}" takes keys (${inner}), each on its own line below it`);
      }
    } else if (isScalar(value) && value.value !== null) {
      // The text as written: YAML would read `1_000` or `0x10` as numbers.
      const text = value.source ?? "";
      given.set(option.key, { text, place: placeAt(offsetOf(value)) });
    } else if (option.isList === true && isSeq<Node>(value)) {
      const items: GivenValue[] = [];
      for (const item of value.items) {
        const at = placeAt(offsetOf(item));
        if (isScalar(item)) items.push({ text: item.source ?? "", place: at });
        else faults.push(`${at}: "${option.key}" needs single values in its list`);
      }
      const text = items.map((item) => item.text).join("; ");
      given.set(option.key, { text, place: placeAt(offsetOf(value)), items });
    } else if (option.isList === true) {
      faults.push(
        `${place}: "${option.key}" needs a list: each value on a line of its own, after "- "`,
      );
    } else faults.push(`${place}: "${option.key}" needs a single value`);
  }
}

function keysBelow(prefix: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { key } of CONFIG_OPTIONS) {
    if (key.startsWith(prefix)) names.add(key.slice(prefix.length).split(".")[0]!);
  }
  return names;
}

function suggest(name: string, known: Iterable<string>): string {
  const all = [...known];
  const closest = closestName(name, all);
  return closest === undefined ? `; known are ${all.join(", ")}` : `; did you mean "${closest}"?`;
}

function offsetOf(node: Node | null): number {
  return node?.range?.[0] ?? 0;
}
