/** How a page is searched for a text: which conditions on which columns tell the lines that contain it, from the head of the page alone. */
import { canMatch, isForeign } from "./column-search.ts";
import { placeNeedle } from "./line-search.ts";
import type { Placement } from "./line-search.ts";
import type { PageLayout } from "./page-layout.ts";

export interface SearchPlan {
  readonly needle: Uint8Array;
  /** What can hold of the lines of each template: none contains the needle when the list is empty; they have to be made and searched when it is undefined. */
  readonly templates: readonly (readonly Placement[] | undefined)[];
  /** Columns that are asked; undefined when lines have to be made. */
  readonly columns: ReadonlySet<number> | undefined;
}

/** Undefined when no line of the page can contain the needle, which is not empty. */
export function planSearch(layout: PageLayout, needle: Uint8Array): SearchPlan | undefined {
  const columns = new Set<number>();
  let isMade = false;
  let isPossible = false;
  const templates = layout.templates.map((template) => {
    const placements = placeNeedle(template, needle);
    if (placements === undefined) {
      isMade = isPossible = true;
      return undefined;
    }
    const possible = placements.filter((placement) =>
      placement.every(({ slot, kind, text }) => {
        const { head } = layout.columns[template.columns[slot]!]!;
        return canMatch(head, { kind, text }) && !isForeign(head, text);
      }),
    );
    if (possible.length > 0) isPossible = true;
    for (const placement of possible)
      for (const { slot } of placement) columns.add(template.columns[slot]!);
    return possible;
  });
  if (!isPossible) return undefined;
  return { needle, templates, columns: isMade ? undefined : columns };
}
