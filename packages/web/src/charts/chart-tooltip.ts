/** The box beside the pointer with every value at the crosshair. Works on the DOM directly: it follows the pointer, and React need not. */
import { formatValue, type Unit } from "../format-value.ts";
import { formatMoment } from "../time/format-time.ts";
import type { ChartData } from "./chart-data.ts";

/** More rows than this do not fit beside a chart; the rest is counted. */
const ROWS_MAX = 12;

/** Fills the box for point `index`; series without a value there are left out. */
export function fillTooltip(
  box: HTMLElement,
  { data, index, unit, total }: { data: ChartData; index: number; unit: Unit; total: boolean },
): void {
  const rows = data.series
    .map((series) => ({ series, value: series.values[index] ?? null }))
    .filter((row) => row.value !== null)
    .toSorted((a, b) => b.value! - a.value!);
  const head = element("div", "tooltip-time", formatMoment((data.times[index] ?? 0) * 1000));
  const list = rows.slice(0, ROWS_MAX).map(({ series, value }) => {
    const row = element("div", "tooltip-row");
    const mark = element("i", "swatch");
    mark.style.background = `var(${series.color})`;
    row.append(mark, element("span", "", series.label), element("b", "", formatValue(value, unit)));
    return row;
  });
  const foot: HTMLElement[] = [];
  if (rows.length > ROWS_MAX)
    foot.push(element("div", "tooltip-more", `and ${rows.length - ROWS_MAX} more`));
  if (total && rows.length > 1) {
    const sum = rows.reduce((all, row) => all + row.value!, 0);
    const row = element("div", "tooltip-row tooltip-total");
    row.append(
      element("i", ""),
      element("span", "", "Total"),
      element("b", "", formatValue(sum, unit)),
    );
    foot.push(row);
  }
  box.replaceChildren(head, ...list, ...foot);
}

/** Beside the pointer on the side that has room; never outside of the window. */
export function placeTooltip(
  box: HTMLElement,
  pointer: { left: number; top: number },
  over: DOMRect,
): void {
  const gap = 14;
  const { offsetWidth, offsetHeight } = box;
  const right = over.left + pointer.left + gap;
  const fits = right + offsetWidth < window.innerWidth - 8;
  const left = fits ? right : over.left + pointer.left - gap - offsetWidth;
  const top = Math.min(
    over.top + Math.max(0, pointer.top) + gap,
    window.innerHeight - offsetHeight - 8,
  );
  box.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
}

function element(tag: string, className: string, text = ""): HTMLElement {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}
