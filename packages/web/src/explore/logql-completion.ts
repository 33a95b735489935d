/** What may stand at the cursor of a LogQL query, from the text before it. Pure; the editor asks the server for names and values. */

export type CompletionPlace =
  | { readonly kind: "label-name"; readonly from: number }
  | { readonly kind: "label-value"; readonly from: number; readonly label: string }
  | { readonly kind: "stage"; readonly from: number }
  | { readonly kind: "start"; readonly from: number };

/** A word of the language with a line on what it does. */
export interface LogqlWord {
  readonly label: string;
  readonly detail: string;
  readonly info: string;
  /** What is written when it is chosen, if more than the word. */
  readonly apply?: string;
}

/** Undefined inside of a text, a range or a word that nothing can complete. */
export function completionPlace(before: string): CompletionPlace | undefined {
  const inside = openBrace(before);
  if (inside !== undefined) {
    const value = /([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)\s*"([^"]*)$/.exec(inside);
    if (value !== null)
      return { kind: "label-value", label: value[1]!, from: before.length - value[2]!.length };
    const name = /(?:^|[,{])\s*([A-Za-z_]\w*)?$/.exec(inside);
    return name === null
      ? undefined
      : { kind: "label-name", from: before.length - (name[1]?.length ?? 0) };
  }
  if (insideString(before)) return undefined;
  const grouping = /\b(?:by|without)\s*\(\s*(?:\w+\s*,\s*)*(\w*)$/.exec(before);
  if (grouping !== null) return { kind: "label-name", from: before.length - grouping[1]!.length };
  const stage = /\|\s*([a-z_]*)$/.exec(before);
  if (stage !== null) return { kind: "stage", from: before.length - stage[1]!.length };
  const word = /(?:^|[\s(,+\-*/^%])([a-z_]*)$/.exec(before);
  if (word !== null && !/\}\s*$/.test(before))
    return { kind: "start", from: before.length - word[1]!.length };
  return undefined;
}

/** The text after the last brace that is still open, else undefined. */
function openBrace(text: string): string | undefined {
  let open: number | undefined;
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    const letter = text[index];
    if (letter === "\\" && quoted) index++;
    else if (letter === '"') quoted = !quoted;
    else if (!quoted && letter === "{") open = index + 1;
    else if (!quoted && letter === "}") open = undefined;
  }
  return open === undefined ? undefined : text.slice(open);
}

function insideString(text: string): boolean {
  return (text.replaceAll(/\\./g, "").match(/"/g)?.length ?? 0) % 2 === 1;
}

export const STAGES: readonly LogqlWord[] = [
  { label: "json", detail: "parser", info: "Takes the fields of a JSON line as labels." },
  { label: "logfmt", detail: "parser", info: "Takes key=value pairs of a line as labels." },
  {
    label: "pattern",
    detail: "parser",
    info: "Takes labels from a line that looks like the pattern.",
    apply: 'pattern "<_> <name>"',
  },
  {
    label: "regexp",
    detail: "parser",
    info: "Takes the named groups of a regular expression as labels.",
    apply: 'regexp "(?P<name>.+)"',
  },
  {
    label: "unpack",
    detail: "parser",
    info: "Unpacks a line that an agent packed with its labels.",
  },
  {
    label: "line_format",
    detail: "format",
    info: "Writes the line anew from a template.",
    apply: 'line_format "{{.name}}"',
  },
  {
    label: "label_format",
    detail: "format",
    info: "Renames labels or writes them from a template.",
    apply: "label_format new=old",
  },
  {
    label: "decolorize",
    detail: "format",
    info: "Takes colour codes of terminals out of the line.",
  },
  { label: "drop", detail: "labels", info: "Takes labels away." },
  { label: "keep", detail: "labels", info: "Keeps only these labels." },
  {
    label: "unwrap",
    detail: "number",
    info: "Takes the number in a label as the sample's value, for range functions.",
  },
  {
    label: "detected_level",
    detail: "label",
    info: "The level that was found in the line.",
    apply: 'detected_level="error"',
  },
  { label: "= ", detail: "line filter", info: "Lines that contain the text.", apply: '= "text"' },
  {
    label: "~ ",
    detail: "line filter",
    info: "Lines that match the regular expression.",
    apply: '~ "pattern"',
  },
];

export const FUNCTIONS: readonly LogqlWord[] = [
  {
    label: "{",
    detail: "selector",
    info: "Chooses streams by their labels.",
    apply: '{service_name=~".+"}',
  },
  ...rangeFunctions(),
  {
    label: "sum",
    detail: "aggregation",
    info: "Adds up the values of all series, or of each group.",
    apply: "sum by () (",
  },
  { label: "avg", detail: "aggregation", info: "The mean over the series.", apply: "avg by () (" },
  {
    label: "max",
    detail: "aggregation",
    info: "The highest over the series.",
    apply: "max by () (",
  },
  {
    label: "min",
    detail: "aggregation",
    info: "The lowest over the series.",
    apply: "min by () (",
  },
  {
    label: "count",
    detail: "aggregation",
    info: "How many series there are.",
    apply: "count by () (",
  },
  {
    label: "topk",
    detail: "aggregation",
    info: "The k series with the highest values.",
    apply: "topk(5, ",
  },
  {
    label: "bottomk",
    detail: "aggregation",
    info: "The k series with the lowest values.",
    apply: "bottomk(5, ",
  },
];

function rangeFunctions(): LogqlWord[] {
  const words: readonly (readonly [string, string])[] = [
    ["count_over_time", "How many lines each range holds."],
    ["rate", "Lines per second."],
    ["bytes_over_time", "How many bytes the lines of each range have."],
    ["bytes_rate", "Bytes per second."],
    ["sum_over_time", "Adds up the unwrapped numbers of each range."],
    ["avg_over_time", "The mean of the unwrapped numbers of each range."],
    ["max_over_time", "The highest unwrapped number of each range."],
    ["min_over_time", "The lowest unwrapped number of each range."],
    ["quantile_over_time", "A quantile, such as 0.95, of the unwrapped numbers."],
    ["first_over_time", "The first unwrapped number of each range."],
    ["last_over_time", "The last unwrapped number of each range."],
    ["stddev_over_time", "The standard deviation of the unwrapped numbers."],
    ["absent_over_time", "1 for ranges without any line."],
  ];
  return words.map(([label, info]) => ({
    label,
    info,
    detail: "range function",
    apply: `${label}(`,
  }));
}
