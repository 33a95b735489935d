/** Series brought onto one time grid, grown at the end and cut at the start as time goes by. Pure: every change gives a new frame. */
import type { ResultSeries } from "../api/query-result.ts";

/** One column; `values[i]` belongs to `Frame.times[i]`, null where nothing was measured. */
export interface FrameSeries {
  readonly key: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly (number | null)[];
}

/** `times` are seconds, `step` apart. Columns keep the order in which they first appeared. */
export interface Frame {
  readonly step: number;
  readonly times: readonly number[];
  readonly series: readonly FrameSeries[];
}

/** The part of the grid that an answer covers, both ends included, both multiples of the step. */
export interface GridSpan {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** The grid inside [fromMs, toMs]: multiples of the step, so that every poll asks for the same points again. */
export function alignSpan(fromMs: number, toMs: number, step: number): GridSpan {
  return {
    start: Math.ceil(fromMs / 1000 / step) * step,
    end: Math.floor(toMs / 1000 / step) * step,
    step,
  };
}

/** Labels as one text, equal exactly for equal label sets. */
export function seriesKey(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export function frameFromSeries(series: readonly ResultSeries[], span: GridSpan): Frame {
  return growFrame({ step: span.step, times: [], series: [] }, series, span, span.start);
}

/**
 * Replaces everything from `span.start` on by what `series` says and drops what lies before `keepFrom`.
 * A series that is not in the answer gets nulls; one that has nulls only is dropped.
 */
export function growFrame(
  frame: Frame,
  series: readonly ResultSeries[],
  span: GridSpan,
  keepFrom: number,
): Frame {
  const kept = keptRange(frame.times, keepFrom, span.start);
  const times = frame.times.slice(kept.from, kept.to);
  const gridStart =
    times.length === 0 ? span.start : Math.min(span.start, times.at(-1)! + span.step);
  const fresh = gridTimes(gridStart, span);
  const columns = new Map<string, FrameSeries>();
  for (const column of frame.series) {
    const values = column.values.slice(kept.from, kept.to);
    columns.set(column.key, { ...column, values: [...values, ...nulls(fresh.length)] });
  }
  for (const item of series) {
    const key = seriesKey(item.labels);
    const before = columns.get(key)?.values.slice(0, times.length) ?? nulls(times.length);
    const values = [...before, ...placeOnGrid(item, gridStart, span.step, fresh.length)];
    columns.set(key, { key, labels: item.labels, values });
  }
  return {
    step: span.step,
    times: [...times, ...fresh],
    series: [...columns.values()].filter((column) => column.values.some((value) => value !== null)),
  };
}

/** The time of the last point at which any column holds a value. */
export function lastMeasured(frame: Frame): number | undefined {
  for (let index = frame.times.length - 1; index >= 0; index--) {
    if (frame.series.some((column) => column.values[index] !== null)) return frame.times[index];
  }
  return undefined;
}

/** The last value that is not null. */
export function lastValue(values: readonly (number | null)[]): number | null {
  for (let index = values.length - 1; index >= 0; index--) {
    const value = values[index];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

/** Point by point over several columns; null where `combine` has nothing to work on (all of them null). */
export function combineColumns(
  columns: readonly (readonly (number | null)[])[],
  combine: (values: readonly (number | null)[]) => number | null,
): (number | null)[] {
  const length = Math.max(0, ...columns.map((column) => column.length));
  const out: (number | null)[] = [];
  for (let index = 0; index < length; index++) {
    const row = columns.map((column) => column[index] ?? null);
    out.push(row.every((value) => value === null) ? null : combine(row));
  }
  return out;
}

export function sumColumns(columns: readonly (readonly (number | null)[])[]): (number | null)[] {
  return combineColumns(columns, (row) =>
    row.reduce<number>((sum, value) => sum + (value ?? 0), 0),
  );
}

function keptRange(
  times: readonly number[],
  keepFrom: number,
  cutAt: number,
): { from: number; to: number } {
  let from = 0;
  while (from < times.length && times[from]! < keepFrom) from++;
  let to = from;
  while (to < times.length && times[to]! < cutAt) to++;
  return { from, to };
}

function gridTimes(start: number, span: GridSpan): number[] {
  const times: number[] = [];
  for (let index = 0; start + index * span.step <= span.end; index++)
    times.push(start + index * span.step);
  return times;
}

function placeOnGrid(
  item: ResultSeries,
  start: number,
  step: number,
  length: number,
): (number | null)[] {
  const values = nulls(length);
  for (let index = 0; index < item.times.length; index++) {
    const place = Math.round((item.times[index]! - start) / step);
    const value = item.values[index]!;
    if (place >= 0 && place < length && !Number.isNaN(value)) values[place] = value;
  }
  return values;
}

function nulls(length: number): (number | null)[] {
  return Array.from({ length }, () => null);
}
