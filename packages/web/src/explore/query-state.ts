/** What Explore is asked: language, query and how to run it; kept in the URL so that a link shows the same. Pure. */

export type Language = "promql" | "logql";
export type RunMode = "range" | "instant";

export interface QueryState {
  readonly language: Language;
  readonly query: string;
  readonly mode: RunMode;
}

export const LANGUAGE_NAMES: Readonly<Record<Language, string>> = {
  promql: "PromQL",
  logql: "LogQL",
};

/** Queries to begin with, shown while the editor is empty. */
export const EXAMPLES: Readonly<Record<Language, readonly (readonly [string, string])[]>> = {
  promql: [
    ["CPU in use, per mode", "sum by (mode) (rate(node_cpu_seconds_total[1m]))"],
    ["Memory available", "node_memory_MemAvailable_bytes"],
    ["Busiest disks", "topk(5, rate(node_disk_written_bytes_total[1m]))"],
    ["What is scraped", "up"],
  ],
  logql: [
    ["Everything", '{service_name=~".+"}'],
    ["Errors only", '{service_name=~".+"} | detected_level=~"error|critical|fatal"'],
    [
      "Lines per service and minute",
      'sum by (service_name) (count_over_time({service_name=~".+"}[1m]))',
    ],
    ["Lines that say timeout", '{service_name=~".+"} |~ "(?i)timeout"'],
  ],
};

export function parseQueryState(search: string): QueryState {
  const params = new URLSearchParams(search);
  return {
    language: params.get("lang") === "logql" ? "logql" : "promql",
    query: params.get("q") ?? "",
    mode: params.get("mode") === "instant" ? "instant" : "range",
  };
}

/** The query string with the state put in; the time range and everything else stays. */
export function writeQueryState(search: string, state: QueryState): string {
  const params = new URLSearchParams(search);
  params.set("lang", state.language);
  if (state.query === "") params.delete("q");
  else params.set("q", state.query);
  if (state.mode === "instant") params.set("mode", "instant");
  else params.delete("mode");
  return params.toString();
}
