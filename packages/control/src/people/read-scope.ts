/** What somebody may read, as a selector of labels: `{host=~"web.*"}`. */
import { parseSelector } from "@finch/logql";
import { formatMatcher } from "@finch/model";
import type { Matcher } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import { READ_SCOPE_CHARS_MAX } from "./people-limits.ts";

/** A selector in its one form, with or without its braces; empty text stays empty: everything. Throws a `control/bad-read-scope`. */
export function normalizeReadScope(text: string): string {
  const given = text.trim();
  if (given === "") return "";
  if (given.length > READ_SCOPE_CHARS_MAX)
    throw bad(given.slice(0, 40), `it is longer than ${READ_SCOPE_CHARS_MAX} characters`);
  let matchers: readonly Matcher[];
  try {
    matchers = parseSelector(given.startsWith("{") ? given : `{${given}}`);
  } catch (error) {
    throw bad(given, describeError(error));
  }
  if (matchers.length === 0) throw bad(given, "it selects everything; leave it empty for that");
  return `{${matchers.map(formatMatcher).join(", ")}}`;
}

function bad(text: string, why: string): FinchError {
  return new FinchError(
    "invalid",
    "control/bad-read-scope",
    `${JSON.stringify(text)} says not what may be read: ${why}; write it such as {host=~"web.*"}`,
  );
}
