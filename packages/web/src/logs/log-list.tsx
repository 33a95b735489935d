/** The scrolling list of lines. Only rows in sight exist; it follows the end until someone scrolls up, and never jumps by itself. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ReactNode, RefObject, UIEvent } from "react";
import { Icon } from "../shell/icons.tsx";
import type { LogLine } from "./log-line.ts";
import type { FieldFilter } from "./log-query.ts";
import { LogRow } from "./log-row.tsx";

export interface LogListProps {
  readonly lines: readonly LogLine[];
  readonly wrap: boolean;
  readonly pattern: RegExp | undefined;
  readonly withDay: boolean;
  /** Stays at the end as lines come. */
  readonly following: boolean;
  readonly waiting: number;
  /** The line to show and to mark. */
  readonly target?: string | undefined;
  readonly head?: ReactNode;
  readonly onPause: () => void;
  readonly onResume: () => void;
  readonly onFilter?: (field: FieldFilter) => void;
  readonly onContext?: (line: LogLine) => void;
}

const ROW_HEIGHT = 24;
/** Guesses until a row is measured; in a narrow list the text stands below the time, as in logs.css. */
const ROW_HEIGHT_NARROW = 62;
const NARROW_PX = 700;
/** So near to the end counts as the end. */
const END_PX = 30;

export function LogList(props: LogListProps): ReactNode {
  const { lines, wrap, following, waiting, target } = props;
  const box = useRef<HTMLDivElement>(null);
  const rowHeight = useRowHeight(box);
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    getItemKey: (index) => lines[index]?.id ?? index,
    overscan: 12,
  });
  const size = rows.getTotalSize();
  useLayoutEffect(() => {
    if (following && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [following, lines, size]);
  useLayoutEffect(() => rows.measure(), [wrap, rowHeight, rows]);
  useForgetGone(rows, lines, following);
  useAnchorAtTop(rows, lines, following);
  useEffect(() => {
    // A range that stands still begins with its newest lines in sight, unless one line was asked for.
    if (!following && target === undefined && isOldestFirst(lines))
      rows.scrollToIndex(lines.length - 1);
  }, []);
  useEffect(() => {
    const index = target === undefined ? -1 : lines.findIndex((line) => line.id === target);
    if (index >= 0) rows.scrollToIndex(index, { align: "center" });
  }, [target, lines, rows]);
  const { open, onToggle, onScroll, resume } = useReading(props);
  return (
    <div className="log-frame">
      <div
        ref={box}
        className={wrap ? "log-list log-wrap" : "log-list"}
        onScroll={onScroll}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label="Log lines"
      >
        {props.head}
        <div className="log-rows" style={{ height: size }}>
          {rows.getVirtualItems().map((item) => (
            <div
              key={item.key}
              ref={rows.measureElement}
              data-index={item.index}
              className="log-place"
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <ListedLine list={props} line={lines[item.index]} open={open} onToggle={onToggle} />
            </div>
          ))}
        </div>
      </div>
      {!following && waiting >= 0 && (
        <button type="button" className="button button-primary log-resume" onClick={resume}>
          {waiting === 0
            ? "Follow"
            : `${waiting.toLocaleString("en")} new ${waiting === 1 ? "line" : "lines"}`}
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

interface Reading {
  /** Ids of the lines that are opened. */
  readonly open: ReadonlySet<string>;
  readonly onToggle: (id: string) => void;
  readonly onScroll: (event: UIEvent<HTMLDivElement>) => void;
  readonly resume: () => void;
}

/** Whoever scrolls up or opens a line reads: the list then holds still until they return to its end. */
function useReading({ following, onPause, onResume }: LogListProps): Reading {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const lastTop = useRef(0);
  const onScroll = (event: UIEvent<HTMLDivElement>): void => {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
    const fromEnd = scrollHeight - scrollTop - clientHeight;
    const up = scrollTop < lastTop.current - 2;
    const down = scrollTop > lastTop.current;
    if (following && up && fromEnd > END_PX) onPause();
    else if (!following && down && fromEnd <= 2 && open.size === 0) onResume();
    lastTop.current = scrollTop;
  };
  const onToggle = useCallback(
    (id: string) => {
      onPause();
      setOpen((before) => {
        const next = new Set(before);
        if (!next.delete(id)) next.add(id);
        return next;
      });
    },
    [onPause],
  );
  const resume = (): void => {
    setOpen(new Set());
    onResume();
  };
  return { open, onToggle, onScroll, resume };
}

interface ListedLineProps {
  readonly list: LogListProps;
  readonly line: LogLine | undefined;
  readonly open: ReadonlySet<string>;
  readonly onToggle: (id: string) => void;
}

function ListedLine({ list, line, open, onToggle }: ListedLineProps): ReactNode {
  if (line === undefined) return null;
  return (
    <LogRow
      line={line}
      open={open.has(line.id)}
      marked={line.id === list.target}
      pattern={list.pattern}
      withDay={list.withDay}
      onToggle={onToggle}
      onFilter={list.onFilter}
      onContext={list.onContext}
    />
  );
}

/** The guess for rows that were not in sight yet. Looked up when the list changes its width alone: the list asks for it thousands of times a second. */
function useRowHeight(box: RefObject<HTMLDivElement | null>): number {
  const [height, setHeight] = useState(ROW_HEIGHT);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const look = (): void =>
      setHeight(element.clientWidth > NARROW_PX ? ROW_HEIGHT : ROW_HEIGHT_NARROW);
    look();
    const resized = new ResizeObserver(look);
    resized.observe(element);
    return () => resized.disconnect();
  }, [box]);
  return height;
}

/** Heights are kept by line, those of lines that have gone, too: after so many changes they are all forgotten, and the few in sight measured anew. */
const CHANGES_KEPT = 100;

function useForgetGone(
  rows: { readonly measure: () => void },
  lines: readonly LogLine[],
  following: boolean,
): void {
  const changes = useRef(0);
  useLayoutEffect(() => {
    if (!following || ++changes.current < CHANGES_KEPT) return;
    changes.current = 0;
    rows.measure();
  }, [rows, lines, following]);
}

/** Older lines put in above must not move what is being read: the line that was first stays where it was. */
function useAnchorAtTop(
  rows: { readonly scrollToIndex: (index: number, options: { align: "start" }) => void },
  lines: readonly LogLine[],
  following: boolean,
): void {
  const first = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    const known = first.current;
    first.current = lines[0]?.id;
    if (following || known === undefined || known === first.current || !isOldestFirst(lines))
      return;
    const index = lines.findIndex((line) => line.id === known);
    if (index > 0) rows.scrollToIndex(index, { align: "start" });
  }, [rows, lines, following]);
}

function isOldestFirst(lines: readonly LogLine[]): boolean {
  return lines.length < 2 || lines[0]!.timeMs <= lines.at(-1)!.timeMs;
}
