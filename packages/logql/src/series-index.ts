/** Finds the result series of a row: by grouping, or by all its labels. Results are remembered by what is cheap to compute from a row. */
import { Labels } from "@finch/model";
import type { LogPage } from "@finch/model";
import type { Grouping } from "./ast.ts";
import { limitFault, pipelineFault } from "./errors.ts";
import { ERROR_DETAILS_LABEL, ERROR_LABEL } from "./row-labels.ts";
import type { RowLabels } from "./row-labels.ts";

export interface SeriesIndexOptions {
  readonly grouping: Grouping | undefined;
  /** The label that `unwrap` took the value from; it leaves the series unless the grouping names it. */
  readonly unwrapped: string | undefined;
  /** Whether rows whose lines a parser could not read count as others do, instead of failing the query. */
  readonly keepErrors: boolean;
  /** How many series there may be. */
  readonly max: number;
  /** How many characters their labels may have together. */
  readonly charactersMax: number;
}

/** Rows remembered at once: with `without (id)` there are more kinds of rows than series. */
const REMEMBERED_MAX = 50_000;
/** Characters of what rows are remembered by. */
const REMEMBERED_CHARACTERS_MAX = 8 * 1024 * 1024;

export class SeriesIndex {
  readonly labels: Labels[] = [];
  readonly #options: SeriesIndexOptions;
  readonly #byLabels = new Map<string, number>();
  readonly #byGroup = new Map<string, number>();
  #byRow = new Map<string, number>();
  #rowCharacters = 0;
  #characters = 0;
  #stream: Labels | undefined;
  readonly #groupNames: readonly string[] | undefined;

  constructor(options: SeriesIndexOptions) {
    this.#options = options;
    const { grouping } = options;
    this.#groupNames = grouping === undefined || grouping.without ? undefined : grouping.labels;
  }

  /** Starts a page: what is remembered by row is remembered within one stream. */
  begin(page: LogPage): void {
    if (this.#stream?.key === page.labels.key) return;
    this.#stream = page.labels;
    this.#forgetRows();
  }

  /** The number of the series a row belongs to. Throws when the row failed and nobody filtered the failure. */
  of(row: RowLabels): number {
    if (row.error !== "" && !(this.#options.keepErrors && row.parseFailed)) {
      throw pipelineFault(row.error, row.allLabels().toString());
    }
    return this.#groupNames === undefined ? this.#ofRow(row) : this.#ofGroup(row, this.#groupNames);
  }

  #ofGroup(row: RowLabels, names: readonly string[]): number {
    let key = "";
    for (let i = 0; i < names.length; i++) key += `${valueOf(row, names[i]!) ?? "\u0002"}\u0001`;
    const known = this.#byGroup.get(key);
    if (known !== undefined) return known;
    const pairs = [...new Set(names)].flatMap((name) => {
      const value = valueOf(row, name);
      return value === undefined ? [] : [name, value];
    });
    const series = this.#add(Labels.raw(pairs));
    this.#byGroup.set(key, series);
    return series;
  }

  #ofRow(row: RowLabels): number {
    const key = row.keyWithin();
    const known = this.#byRow.get(key);
    if (known !== undefined) return known;
    const { grouping, unwrapped } = this.#options;
    const hidden = new Set(grouping?.labels ?? []);
    if (unwrapped !== undefined) hidden.add(unwrapped);
    const series = this.#add(row.allLabels().drop(hidden));
    const isFull = this.#rowCharacters + key.length > REMEMBERED_CHARACTERS_MAX;
    if (isFull || this.#byRow.size >= REMEMBERED_MAX) this.#forgetRows();
    this.#byRow.set(key, series);
    this.#rowCharacters += key.length;
    return series;
  }

  #forgetRows(): void {
    this.#byRow = new Map();
    this.#rowCharacters = 0;
  }

  #add(labels: Labels): number {
    const known = this.#byLabels.get(labels.key);
    if (known !== undefined) return known;
    const series = this.labels.length;
    if (series >= this.#options.max) {
      throw limitFault(
        `the query makes more than ${this.#options.max} series before aggregation; ` +
          "narrow the selector, drop labels or group by fewer of them",
      );
    }
    this.#characters += labels.key.length;
    if (this.#characters > this.#options.charactersMax) {
      throw limitFault(
        `the labels of the series have more than ${this.#options.charactersMax} characters before aggregation; ` +
          "drop labels or group by shorter ones",
      );
    }
    this.labels.push(labels);
    this.#byLabels.set(labels.key, series);
    return series;
  }
}

/** An empty label that a stage made is one; an error that did not happen is none. */
function valueOf(row: RowLabels, name: string): string | undefined {
  const isError = name === ERROR_LABEL || name === ERROR_DETAILS_LABEL;
  return isError ? row.get(name) || undefined : row.find(name);
}
