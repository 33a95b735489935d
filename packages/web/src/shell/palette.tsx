/** The command palette: type a few letters, press Enter. Pages, time ranges, themes and every metric. */
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { useLocation, useSearch } from "wouter";
import { listMetrics, type MetricInfo } from "../api/metrics-api.ts";
import { useRange } from "../time/range-context.tsx";
import { RANGE_PRESETS, parseSeconds, writeRange } from "../time/time-range.ts";
import { queryForMetric } from "../explore/metric-query.ts";
import { Dialog } from "./dialog.tsx";
import { rankCommands, type Command } from "./palette-search.ts";
import { chooseTheme } from "./theme.ts";

/** More than these no one reads; typing on narrows them. */
const SHOWN_MAX = 40;

export interface PaletteProps {
  readonly onClose: () => void;
  readonly onKeys: () => void;
}

export function Palette({ onClose, onKeys }: PaletteProps): ReactNode {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const commands = useCommands(onKeys, text);
  const shown = useMemo(() => rankCommands(commands, text).slice(0, SHOWN_MAX), [commands, text]);
  const run = (command: Command | undefined): void => {
    if (command === undefined) return;
    onClose();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      setChosen((at) => (at + by + shown.length) % Math.max(1, shown.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(shown[chosen]);
    }
  };
  return (
    <Dialog label="Command palette" className="palette" onClose={onClose}>
      <input
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={`palette-${chosen}`}
        aria-label="Search pages, ranges and metrics"
        placeholder="Go to a page, set a range, find a metric…"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setChosen(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id="palette-list" role="listbox" aria-label="Commands">
        {shown.map((command, index) => (
          <li
            key={command.id}
            id={`palette-${index}`}
            role="option"
            aria-selected={index === chosen}
            ref={index === chosen ? (node) => node?.scrollIntoView({ block: "nearest" }) : null}
            onMouseMove={() => setChosen(index)}
            onClick={() => run(command)}
          >
            <small>{command.group}</small>
            <span>{command.title}</span>
            <em>{command.detail}</em>
          </li>
        ))}
        {shown.length === 0 && <li className="palette-none">Nothing is called “{text}”.</li>}
      </ul>
    </Dialog>
  );
}

function useCommands(onKeys: () => void, text: string): readonly Command[] {
  const { range, setRange } = useRange();
  const [, navigate] = useLocation();
  const search = useSearch();
  const metrics = useQuery({
    queryKey: ["metrics"],
    queryFn: ({ signal }) => listMetrics(signal),
    staleTime: 60_000,
  }).data;
  return useMemo(() => {
    const open = (path: string): void => navigate(`${path}?${writeRange("", range)}`);
    const openMetric = (info: MetricInfo): void =>
      navigate(
        `/explore?${writeRange(new URLSearchParams({ lang: "promql", q: queryForMetric(info) }).toString(), range)}`,
      );
    const seconds = parseSeconds(text.trim().replaceAll(" ", ""));
    const own =
      seconds === undefined
        ? []
        : [
            {
              id: "range-own",
              group: "Range",
              title: `Last ${text.trim()}`,
              detail: "live",
              run: () => setRange({ kind: "live", seconds }),
            },
          ];
    return [
      ...own,
      { id: "home", group: "Page", title: "Home", detail: "this machine", run: () => open("/") },
      {
        id: "explore",
        group: "Page",
        title: "Explore",
        detail: "PromQL and LogQL",
        run: () => open("/explore"),
      },
      {
        id: "settings",
        group: "Page",
        title: "Settings",
        detail: "tokens, sessions, users",
        run: () => open("/settings"),
      },
      { id: "keys", group: "Help", title: "Keyboard shortcuts", detail: "?", run: onKeys },
      ...RANGE_PRESETS.map(({ label, seconds: length }) => ({
        id: `range-${label}`,
        group: "Range",
        title: `Last ${label}`,
        detail: "live",
        run: () => setRange({ kind: "live", seconds: length }),
      })),
      ...(["light", "dark", "auto"] as const).map((theme) => ({
        id: `theme-${theme}`,
        group: "Theme",
        title: theme === "auto" ? "Theme as the system" : `Theme ${theme}`,
        detail: "",
        run: () => chooseTheme(theme),
      })),
      ...(metrics ?? []).map((info) => ({
        id: `metric-${info.name}`,
        group: "Metric",
        title: info.name,
        detail: info.help,
        run: () => openMetric(info),
      })),
    ];
  }, [metrics, range, setRange, navigate, onKeys, search, text]);
}
