/** `features` of Prometheus' HTTP API: which parts of its surface are on. Names are Prometheus'; what is missing there is off. */
import { FUNCTIONS } from "@finch/promql";
import type { LanguageSwitches } from "@finch/promql";

type Switches = Readonly<Record<string, boolean>>;

/** Operators and aggregations by the switch they stand behind. */
const OPERATORS =
  "!= !~ % * + - / < </ <= == =~ > >/ >= @ ^ and atan2 avg bottomk count count_values group max min or quantile stddev stdvar sum topk unless";
const EXPERIMENTAL_OPERATORS = "limit_ratio limitk";

export function describeFeatures({
  adminEnabled,
  language = {},
}: {
  readonly adminEnabled: boolean;
  readonly language?: LanguageSwitches | undefined;
}): Readonly<Record<string, Switches>> {
  const { experimentalFunctions: isExperimental = false } = language;
  return {
    api: {
      admin: adminEnabled,
      exclude_alerts: true,
      label_values_match: true,
      lifecycle: false,
      otlp_write_receiver: true,
      query_stats: true,
      query_warnings: true,
      remote_write_receiver: true,
      search: true,
      search_fuzz_alg_jarowinkler: true,
      search_fuzz_alg_subsequence: true,
      time_range_labels: true,
      time_range_series: true,
    },
    otlp_receiver: { delta_conversion: true, native_delta_ingestion: false },
    prometheus: { agent_mode: false, auto_reload_config: false, server_mode: true },
    promql: {
      ...allOf("at_modifier bool by group_left group_right ignoring negative_offset offset on"),
      ...allOf("per_query_lookback_delta subqueries without"),
      ...allOf("anchored duration_expr fill fill_left fill_right smoothed", isExperimental),
      delayed_name_removal: language.delayedNameRemoval ?? false,
      per_step_stats: true,
      type_and_unit_labels: language.typeAndUnitLabels ?? false,
    },
    promql_functions: Object.fromEntries(
      [...FUNCTIONS.values()].map(({ name, experimental }) => [
        name,
        isExperimental || !experimental,
      ]),
    ),
    promql_operators: { ...allOf(OPERATORS), ...allOf(EXPERIMENTAL_OPERATORS, isExperimental) },
    tsdb: { exemplar_storage: true, isolation: true, native_histograms: true, st_storage: true },
  };
}

function allOf(names: string, isOn = true): Switches {
  return Object.fromEntries(names.split(" ").map((name) => [name, isOn]));
}
