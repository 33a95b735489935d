/**
 * Units of systemd, off by default. Asks `systemctl show`, which every machine with systemd has and which needs no privileges: one call for
 * the manager and one for all loaded units.
 */
import { compileRegexp } from "@finch/model";
import { noData, type Collector } from "./collector.ts";
import { counter, gauge, type Family } from "./family.ts";

export interface SystemdOptions {
  readonly unitInclude: string;
  readonly unitExclude: string;
  readonly enableRestarts: boolean;
  readonly startTime: boolean;
  readonly taskMetrics: boolean;
}

const STATES = ["active", "activating", "deactivating", "inactive", "failed"];

const UNIT_PROPERTIES =
  "Id,ActiveState,LoadState,Type,NRestarts,NAccepted,NConnections,NRefused,LastTriggerUSec,ActiveEnterTimestamp,TasksCurrent,TasksMax";

type Properties = ReadonlyMap<string, string>;

export function makeSystemd(options: SystemdOptions): Collector {
  const includes = compileRegexp(options.unitInclude, { anchored: true, dotAll: false });
  const excludes = compileRegexp(options.unitExclude, { anchored: true, dotAll: false });
  return {
    collect: async (machine) => {
      const [manager, ...others] = parseShow(
        await machine.run("systemctl", ["show", "--property=Version,SystemState,Virtualization"]),
      );
      if (manager === undefined || others.length > 0)
        throw noData("systemctl does not tell the state of the manager");
      const all = parseShow(
        await machine.run("systemctl", [
          "show",
          "*",
          "--timestamp=us+utc",
          `--property=${UNIT_PROPERTIES}`,
        ]),
      );
      const units = all.filter((unit) => {
        const name = unit.get("Id") ?? "";
        return unit.get("LoadState") === "loaded" && includes.test(name) && !excludes.test(name);
      });
      return [...managerFamilies(manager), summary(all), ...unitFamilies(units, options)];
    },
  };
}

/** Paragraphs of `Name=value` lines. */
function parseShow(text: string): readonly Properties[] {
  const paragraphs = text.split("\n\n").filter((paragraph) => paragraph.trim() !== "");
  return paragraphs.map((paragraph) => {
    const properties = new Map<string, string>();
    for (const line of paragraph.split("\n")) {
      const equals = line.indexOf("=");
      if (equals > 0) properties.set(line.slice(0, equals), line.slice(equals + 1));
    }
    return properties;
  });
}

function managerFamilies(manager: Properties): readonly Family[] {
  const full = manager.get("Version") ?? "";
  const version = Number(/^[0-9]+(?:\.[0-9]+)?/.exec(full)?.[0] ?? 0);
  const isRunning = manager.get("SystemState") === "running";
  return [
    gauge("node_systemd_version", "Detected systemd version").add(version, "version", full),
    gauge("node_systemd_virtualization_info", "Detected virtualization technology").add(
      1,
      "virtualization_type",
      manager.get("Virtualization") || "none",
    ),
    gauge(
      "node_systemd_system_running",
      "Whether the system is operational (see 'systemctl is-system-running')",
    ).add(isRunning ? 1 : 0),
  ];
}

function summary(units: readonly Properties[]): Family {
  const counts = new Map(STATES.map((state) => [state, 0]));
  for (const unit of units) {
    const state = unit.get("ActiveState") ?? "";
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  const family = gauge("node_systemd_units", "Summary of systemd unit states");
  for (const [state, count] of counts) family.add(count, "state", state);
  return family;
}

function unitFamilies(units: readonly Properties[], options: SystemdOptions): readonly Family[] {
  const states = gauge("node_systemd_unit_state", "Systemd unit");
  const figures = FIGURES.filter(({ option }) => option === undefined || options[option]).map(
    (figure) => ({
      ...figure,
      family: (figure.isCounter ? counter : gauge)(`node_systemd_${figure.name}`, figure.help),
    }),
  );
  for (const unit of units) {
    const name = unit.get("Id")!;
    const type =
      name.endsWith(".service") || name.endsWith(".mount") ? (unit.get("Type") ?? "") : "";
    for (const state of STATES)
      states.add(
        unit.get("ActiveState") === state ? 1 : 0,
        "name",
        name,
        "state",
        state,
        "type",
        type,
      );
    for (const { family, property, kind, isTime } of figures) {
      const text = unit.get(property);
      if (text === undefined || (kind !== "" && !name.endsWith(kind))) continue;
      // A unit that is not active has not started, whatever it did before.
      const isPast = property === "ActiveEnterTimestamp" && unit.get("ActiveState") !== "active";
      const value = isTime ? (isPast ? 0 : parseTime(text)) : Number(text);
      if (!Number.isNaN(value)) family.add(value, "name", name);
    }
  }
  return [states, ...figures.map(({ family }) => family)];
}

interface Figure {
  readonly property: string;
  /** Suffix of the units that have it; empty: all. */
  readonly kind: string;
  readonly name: string;
  readonly help: string;
  readonly option?: "enableRestarts" | "startTime" | "taskMetrics";
  readonly isCounter?: true;
  readonly isTime?: true;
}

const FIGURES: readonly Figure[] = [
  {
    property: "NAccepted",
    kind: ".socket",
    name: "socket_accepted_connections_total",
    help: "Total number of accepted socket connections",
    isCounter: true,
  },
  {
    property: "NConnections",
    kind: ".socket",
    name: "socket_current_connections",
    help: "Current number of socket connections",
  },
  {
    property: "NRefused",
    kind: ".socket",
    name: "socket_refused_connections_total",
    help: "Total number of refused socket connections",
  },
  {
    property: "LastTriggerUSec",
    kind: ".timer",
    name: "timer_last_trigger_seconds",
    help: "Seconds since epoch of last trigger.",
    isTime: true,
  },
  {
    property: "NRestarts",
    kind: ".service",
    name: "service_restart_total",
    help: "Service unit count of Restart triggers",
    option: "enableRestarts",
    isCounter: true,
  },
  {
    property: "ActiveEnterTimestamp",
    kind: "",
    name: "unit_start_time_seconds",
    help: "Start time of the unit since unix epoch in seconds.",
    option: "startTime",
    isTime: true,
  },
  {
    property: "TasksCurrent",
    kind: ".service",
    name: "unit_tasks_current",
    help: "Current number of tasks per Systemd unit",
    option: "taskMetrics",
  },
  {
    property: "TasksMax",
    kind: ".service",
    name: "unit_tasks_max",
    help: "Maximum number of tasks per Systemd unit",
    option: "taskMetrics",
  },
];

/** `Fri 2026-11-20 10:00:00.123456 UTC` in seconds; 0 for what never happened. */
function parseTime(text: string): number {
  const [, date, time, micros] =
    /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))? UTC/.exec(text) ?? [];
  if (date === undefined) return 0;
  return (Date.parse(`${date}T${time}Z`) * 1000 + Number((micros ?? "0").padEnd(6, "0"))) / 1e6;
}
