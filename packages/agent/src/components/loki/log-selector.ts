/** The selectors of `stage.match`: LogQL stream matchers and line filters, nothing more. */
import { compileRegexp, createMatcher } from "@finch/model";
import type { Labels, Matcher, MatchOperator } from "@finch/model";
import { FinchError } from "@finch/runtime";

export interface LogSelector {
  readonly matchers: readonly Matcher[];
  /** All must hold. */
  readonly lineFilters: readonly ((line: string) => boolean)[];
}

const NAME = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!~|!=|=)\s*/;
const FILTER = /^\s*(\|=|\|~|!=|!~)\s*/;
const TEXT = /^(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`)\s*/;

/** Parses `{app="x", level=~"a|b"} |= "text" !~ "pattern"`; a fault names the column. */
export function parseLogSelector(text: string): LogSelector {
  let rest = text.trim();
  const fail = (what: string) =>
    new FinchError(
      "invalid",
      "agent/bad-selector",
      `selector ${JSON.stringify(text)}: ${what} at column ${text.trim().length - rest.length + 1}`,
    );
  const readText = (): string => {
    const match = TEXT.exec(rest);
    if (match === null) throw fail("a quoted text is expected");
    rest = rest.slice(match[0].length);
    return match[2] ?? (JSON.parse(`"${match[1]!}"`) as string);
  };
  if (!rest.startsWith("{")) throw fail("{ is expected");
  rest = rest.slice(1);
  const matchers: Matcher[] = [];
  for (;;) {
    rest = rest.trimStart();
    if (rest.startsWith("}")) break;
    const match = NAME.exec(rest);
    if (match === null) throw fail("a label name and =, !=, =~ or !~ are expected");
    rest = rest.slice(match[0].length);
    matchers.push(createMatcher(match[1]!, match[2] as MatchOperator, readText()));
    if (rest.startsWith(",")) rest = rest.slice(1);
    else if (!rest.startsWith("}")) throw fail(", or } is expected");
  }
  rest = rest.slice(1).trimStart();
  const lineFilters: ((line: string) => boolean)[] = [];
  while (rest !== "") {
    const match = FILTER.exec(rest);
    if (match === null)
      throw fail("a line filter |=, !=, |~ or !~ is expected (parsers are not supported here)");
    rest = rest.slice(match[0].length);
    lineFilters.push(lineFilter(match[1]!, readText()));
  }
  return { matchers, lineFilters };
}

function lineFilter(operator: string, value: string): (line: string) => boolean {
  if (operator === "|=") return (line) => line.includes(value);
  if (operator === "!=") return (line) => !line.includes(value);
  const regexp = compileRegexp(value, { anchored: false });
  return operator === "|~" ? (line) => regexp.test(line) : (line) => !regexp.test(line);
}

/** Whether an entry with these labels and this line is selected. */
export function selects(selector: LogSelector, labels: Labels, line: string): boolean {
  return (
    selector.matchers.every((matcher) => matcher.matches(labels.get(matcher.name))) &&
    selector.lineFilters.every((holds) => holds(line))
  );
}
