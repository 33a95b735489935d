/** Reads metrics in the text format for a comparison. */

export interface Exposition {
  readonly help: Map<string, string>;
  readonly type: Map<string, string>;
  /** By series, its labels in the order of names. */
  readonly samples: Map<string, number>;
}

export function parseExposition(text: string, without?: RegExp): Exposition {
  const parsed: Exposition = { help: new Map(), type: new Map(), samples: new Map() };
  for (const line of text.split("\n")) {
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (without?.test(name ?? line) === true) continue;
    if (keyword !== undefined) parsed[keyword === "HELP" ? "help" : "type"].set(name!, rest!);
    else if (line !== "") {
      const space = line.lastIndexOf(" ");
      parsed.samples.set(withSortedLabels(line.slice(0, space)), Number(line.slice(space + 1)));
    }
  }
  return parsed;
}

function withSortedLabels(series: string): string {
  const labels = series.match(/\w+="(?:[^"\\]|\\.)*"/g) ?? [];
  return `${series.split("{")[0]}{${labels.toSorted().join(",")}}`;
}
