/** Series told apart in words: what all share is left out, what differs is shown. Pure. */

type Labels = Readonly<Record<string, string>>;

/** `name{a="b"}` as PromQL writes it; `{}` for no labels. */
export function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels)
    .filter(([name]) => name !== "__name__")
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const name = labels["__name__"] ?? "";
  return pairs.length === 0 && name !== "" ? name : `${name}{${pairs.join(", ")}}`;
}

/** One name per series, in order; distinct whenever the series are. */
export function seriesNames(all: readonly Labels[]): readonly string[] {
  const differing = differingLabels(all);
  return all.map((labels) => {
    const values = differing
      .map((name) => labels[name])
      .filter((value) => value !== undefined && value !== "");
    if (differing.length === 0) return formatLabels(labels);
    if (differing.length === 1) return values[0] ?? "(none)";
    const shown = Object.fromEntries(
      differing.flatMap((name) => (labels[name] === undefined ? [] : [[name, labels[name]]])),
    );
    return formatLabels(shown);
  });
}

/** Names of labels that do not have one value throughout, sorted. */
export function differingLabels(all: readonly Labels[]): readonly string[] {
  const names = new Set(all.flatMap((labels) => Object.keys(labels)));
  return [...names]
    .filter((name) => new Set(all.map((labels) => labels[name])).size > 1)
    .toSorted();
}
