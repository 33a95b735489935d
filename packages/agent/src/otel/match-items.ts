/** `include` and `exclude` blocks: which spans, log records and metrics a processor acts on. */
import { compileRegexp } from "@finch/model";
import { SEVERITY_NUMBERS, SPAN_KINDS } from "@finch/wire";
import type {
  AnyValue,
  Attributes,
  InstrumentationScope,
  LogRecord,
  Metric,
  OtlpSignal,
  Resource,
  Span,
} from "@finch/wire";
import type { ArgumentFault } from "../component.ts";
import { block, maybe, optional, required, type ValuesOf } from "../schema.ts";
import { toAttribute } from "./attribute-values.ts";

const MATCH = {
  match_type: required(
    "string",
    "How texts are compared: strict (equal) or regexp (found by RE2).",
  ),
  services: optional(
    "list(string)",
    [],
    "Values of service.name, of which one must fit; of spans.",
  ),
  span_names: optional("list(string)", [], "Names of spans, of which one must fit."),
  span_kinds: optional("list(string)", [], "Kinds of spans, such as SPAN_KIND_SERVER."),
  log_bodies: optional("list(string)", [], "Bodies of log records that are strings."),
  log_severity_texts: optional("list(string)", [], "Texts of severities of log records."),
  metric_names: optional("list(string)", [], "Names of metrics."),
  regexp: block(
    {
      cache_enabled: optional("bool", false, "Remember results; they are not remembered here."),
      cache_max_num_entries: optional("number", 0, "How many results are remembered."),
    },
    { repeat: "optional", doc: "Of match_type regexp; changes nothing that is seen." },
  ),
  attribute: block(
    {
      key: required("string", "Name of the attribute."),
      value: optional("any", undefined, "Its value; any when it is not written."),
    },
    { repeat: "many", doc: "Attributes of the span or log record that all must fit." },
  ),
  resource: block(
    {
      key: required("string", "Name of the attribute."),
      value: optional("any", undefined, "Its value; any when it is not written."),
    },
    { repeat: "many", doc: "Attributes of the resource that all must fit." },
  ),
  library: block(
    {
      name: required("string", "Name of the instrumentation scope."),
      version: maybe("string", "Its version; any when it is not written."),
    },
    { repeat: "many", doc: "Instrumentation scopes, of which one must fit." },
  ),
  log_severity: block(
    {
      min: required("string", "The lowest severity that fits: TRACE, TRACE2, … INFO, … FATAL4."),
      match_undefined: required("bool", "Whether records without a severity fit."),
    },
    { repeat: "optional", doc: "Severity of log records." },
  ),
};

export const INCLUDE_BLOCK = block(MATCH, {
  repeat: "optional",
  doc: "What is acted on; all when it is not written.",
});
export const EXCLUDE_BLOCK = block(MATCH, {
  repeat: "optional",
  doc: "What of it is not acted on.",
});

type MatchBlock = ValuesOf<typeof MATCH>;

/** One item with what it stands in. */
export interface MatchedItem {
  readonly resource: Resource;
  readonly scope: InstrumentationScope;
  readonly span?: Span;
  readonly log?: LogRecord;
  readonly metric?: Metric;
}

export type ItemMatcher = (item: MatchedItem) => boolean;

/** Arguments by the signals whose items have what they ask. */
const SIGNALS_OF: Readonly<Record<string, readonly OtlpSignal[]>> = {
  services: ["traces"],
  span_names: ["traces"],
  span_kinds: ["traces"],
  log_bodies: ["logs"],
  log_severity_texts: ["logs"],
  log_severity: ["logs"],
  metric_names: ["metrics"],
  attribute: ["traces", "logs"],
  library: ["traces", "logs"],
  resource: ["traces", "logs", "metrics"],
};

/** `signals` are those that go out of the component. */
export function findMatchFault(
  name: "include" | "exclude",
  values: MatchBlock | undefined,
  signals: readonly OtlpSignal[],
): ArgumentFault | undefined {
  if (values === undefined) return undefined;
  if (values.match_type !== "strict" && values.match_type !== "regexp")
    return { at: `${name}.match_type`, message: "must be strict or regexp" };
  const written = Object.keys(SIGNALS_OF).filter((key) => isWritten(values, key));
  if (written.length === 0) return { at: name, message: "says nothing to compare with" };
  for (const signal of signals) {
    const unfit = written.find((key) => !SIGNALS_OF[key]!.includes(signal));
    if (unfit !== undefined)
      return {
        at: `${name}.${unfit}`,
        message: `${signal} have none: take output.${signal} out, or this`,
      };
  }
  return severityFault(name, values) ?? patternFault(name, values) ?? valueFault(name, values);
}

function isWritten(values: MatchBlock, key: string): boolean {
  const value = values[key as keyof MatchBlock];
  return Array.isArray(value) ? value.length > 0 : value !== undefined;
}

function severityFault(name: string, { log_severity: severity }: MatchBlock) {
  if (severity === undefined || severityNumber(severity.min) > 0) return undefined;
  return {
    at: `${name}.log_severity.min`,
    message: "must be TRACE, DEBUG, INFO, WARN, ERROR or FATAL, with 2 to 4 behind it or nothing",
  };
}

function severityNumber(name: string): number {
  return SEVERITY_NUMBERS.indexOf(`SEVERITY_NUMBER_${name.toUpperCase()}`);
}

function patternFault(name: string, values: MatchBlock): ArgumentFault | undefined {
  if (values.match_type !== "regexp") return undefined;
  const lists = [
    "services",
    "span_names",
    "span_kinds",
    "log_bodies",
    "log_severity_texts",
    "metric_names",
  ] as const;
  const patterns = lists.flatMap((key) => values[key].map((pattern) => ({ key, pattern })));
  for (const { key, pattern } of [...patterns, ...valuePatterns(values)]) {
    try {
      compileRegexp(pattern, { anchored: false });
    } catch (error) {
      return { at: `${name}.${key}`, message: (error as Error).message };
    }
  }
  return undefined;
}

function valuePatterns({ attribute, resource, library }: MatchBlock) {
  const values = [
    ...attribute.map(({ value }, i) => ({ key: `attribute[${i}].value`, pattern: value })),
    ...resource.map(({ value }, i) => ({ key: `resource[${i}].value`, pattern: value })),
    ...library.map((one, i) => ({ key: `library[${i}].name`, pattern: one.name })),
  ];
  return values.filter(
    (one): one is { key: string; pattern: string } => typeof one.pattern === "string",
  );
}

function valueFault(name: string, values: MatchBlock): ArgumentFault | undefined {
  for (const key of ["attribute", "resource"] as const)
    for (const [i, { value }] of values[key].entries()) {
      if (value === undefined || value === null) continue;
      const isPattern = values.match_type === "regexp";
      if (isPattern ? typeof value === "string" : toAttribute(value) !== undefined) continue;
      const message = isPattern
        ? "must be a string: a pattern"
        : "must be a string, a number or a bool";
      return { at: `${name}.${key}[${i}].value`, message };
    }
  return undefined;
}

/** Whether an item is acted on. */
export function compileMatch(
  include: MatchBlock | undefined,
  exclude: MatchBlock | undefined,
): ItemMatcher {
  const isIncluded = include === undefined ? () => true : compileBlock(include);
  const isExcluded = exclude === undefined ? () => false : compileBlock(exclude);
  return (item) => isIncluded(item) && !isExcluded(item);
}

type TextMatcher = (text: string) => boolean;

function compileBlock(values: MatchBlock): ItemMatcher {
  const isRegexp = values.match_type === "regexp";
  const texts = (patterns: readonly string[]): TextMatcher => {
    if (!isRegexp) return (text) => patterns.includes(text);
    const compiled = patterns.map((pattern) => compileRegexp(pattern, { anchored: false }));
    return (text) => compiled.some((one) => one.test(text));
  };
  const tests: ItemMatcher[] = [];
  const addTexts = (
    patterns: readonly string[],
    read: (item: MatchedItem) => AnyValue | undefined,
  ) => {
    if (patterns.length === 0) return;
    const fits = texts(patterns);
    tests.push((item) => {
      const value = read(item);
      return typeof value === "string" && fits(value);
    });
  };
  addTexts(values.services, ({ resource }) => resource.attributes.get("service.name"));
  addTexts(values.span_names, ({ span }) => span?.name);
  addTexts(values.span_kinds, ({ span }) => SPAN_KINDS[span?.kind ?? 0]);
  addTexts(values.log_bodies, ({ log }) => log?.body);
  addTexts(values.log_severity_texts, ({ log }) => log?.severityText);
  addTexts(values.metric_names, ({ metric }) => metric?.name);
  if (values.log_severity !== undefined) tests.push(severityTest(values.log_severity));
  const ofItem = attributeTests(values.attribute, texts, isRegexp);
  tests.push(({ span, log }) => ofItem((span ?? log)?.attributes ?? new Map()));
  const ofResource = attributeTests(values.resource, texts, isRegexp);
  tests.push(({ resource }) => ofResource(resource.attributes));
  if (values.library.length > 0) tests.push(libraryTest(values.library, texts));
  return (item) => tests.every((test) => test(item));
}

function severityTest({
  min,
  match_undefined,
}: NonNullable<MatchBlock["log_severity"]>): ItemMatcher {
  const lowest = severityNumber(min);
  return ({ log }) => {
    const severity = log?.severityNumber ?? 0;
    return severity === 0 ? match_undefined : severity >= lowest;
  };
}

function attributeTests(
  wanted: MatchBlock["attribute"],
  texts: (patterns: readonly string[]) => TextMatcher,
  isRegexp: boolean,
): (attributes: Attributes) => boolean {
  const tests = wanted.map(({ key, value }) => {
    if (value === undefined || value === null)
      return (attributes: Attributes) => attributes.has(key);
    if (!isRegexp) {
      const constant = toAttribute(value);
      return (attributes: Attributes) => attributes.get(key) === constant;
    }
    const fits = texts([value as string]);
    return (attributes: Attributes) => {
      const found = attributes.get(key);
      const isScalar = found !== undefined && found !== null && typeof found !== "object";
      return isScalar && fits(String(found));
    };
  });
  return (attributes) => tests.every((test) => test(attributes));
}

function libraryTest(
  wanted: MatchBlock["library"],
  texts: (patterns: readonly string[]) => TextMatcher,
): ItemMatcher {
  const tests = wanted.map(({ name, version }) => {
    const fitsName = texts([name]);
    const fitsVersion = version === undefined ? () => true : texts([version]);
    return (scope: InstrumentationScope) => fitsName(scope.name) && fitsVersion(scope.version);
  });
  return ({ scope }) => tests.some((test) => test(scope));
}
