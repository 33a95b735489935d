/**
 * How a page is searched for a text: which conditions on which columns tell the lines that contain it, from the head of the page alone. What was found out of a
 * template or a page is remembered as long as the text is searched for: pages of a stream have the same templates.
 */
import { canMatch } from "./column-search.ts";
import { placeNeedle } from "./line-search.ts";
import type { Placement } from "./line-search.ts";
import type { LineTemplate } from "./line-templates.ts";
import type { PageLayout } from "./page-layout.ts";

export interface SearchPlan {
  readonly needle: Uint8Array;
  /** What can hold of the lines of each template: none contains the needle when the list is empty; they have to be made and searched when it is undefined. */
  readonly templates: readonly (readonly Placement[] | undefined)[];
  /** Columns that are asked; undefined when lines have to be made. */
  readonly columns: ReadonlySet<number> | undefined;
}

/** What is known of one needle. */
interface Known {
  readonly placements: Map<string, readonly Placement[] | undefined>;
  readonly plans: WeakMap<PageLayout, SearchPlan | undefined>;
}

const knownOf = new WeakMap<Uint8Array, Known>();
/** Templates of a needle that are remembered. */
const TEMPLATES_REMEMBERED_MAX = 10_000;

/** Undefined when no line of the page can contain the needle, which is not empty and whose bytes do not change. */
export function planSearch(layout: PageLayout, needle: Uint8Array): SearchPlan | undefined {
  let known = knownOf.get(needle);
  if (known === undefined) {
    known = { placements: new Map(), plans: new WeakMap() };
    knownOf.set(needle, known);
  }
  const { plans, placements } = known;
  let plan = plans.get(layout);
  if (plan === undefined && !plans.has(layout)) {
    plan = makePlan(layout, needle, placements);
    plans.set(layout, plan);
  }
  return plan;
}

function makePlan(
  layout: PageLayout,
  needle: Uint8Array,
  known: Known["placements"],
): SearchPlan | undefined {
  const columns = new Set<number>();
  let isMade = false;
  let isPossible = false;
  const templates = layout.templates.map((template) => {
    const placements = placementsOf(template, needle, known);
    if (placements === undefined) {
      isMade = isPossible = true;
      return undefined;
    }
    const possible = placements.filter((placement) =>
      placement.every((match) =>
        canMatch(layout.columns[template.columns[match.slot]!]!.head, match),
      ),
    );
    if (possible.length > 0) isPossible = true;
    for (const placement of possible)
      for (const { slot } of placement) columns.add(template.columns[slot]!);
    return possible;
  });
  if (!isPossible) return undefined;
  return { needle, templates, columns: isMade ? undefined : columns };
}

function placementsOf(
  template: LineTemplate,
  needle: Uint8Array,
  known: Known["placements"],
): readonly Placement[] | undefined {
  const { text, textEnds } = template;
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.length);
  const key = `${textEnds.join(" ")}:${bytes.toString("latin1")}`;
  let placements = known.get(key);
  if (placements === undefined && !known.has(key)) {
    placements = placeNeedle(template, needle);
    if (known.size < TEMPLATES_REMEMBERED_MAX) known.set(key, placements);
  }
  return placements;
}
