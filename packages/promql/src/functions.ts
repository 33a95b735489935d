/**
 * The functions of PromQL as data: the parser checks calls against it, editors complete from it. What a function does stands with the
 * evaluator (`call-*.ts`); a test walks this table and checks that each one is there.
 */
import type { ValueType } from "./ast.ts";

export interface FunctionSignature {
  readonly name: string;
  /** Types by position; a variadic function repeats the last one. */
  readonly args: readonly ValueType[];
  /** 0: exactly `args`. n > 0: the last argument may be left out, or given up to n times. -1: it may be left out or repeated freely. */
  readonly variadic: number;
  readonly returns: ValueType;
  /** Only with the `experimentalFunctions` switch. */
  readonly experimental: boolean;
  /** One line for people, without a full stop. */
  readonly doc: string;
}

type Row = readonly [
  name: string,
  args: string,
  returns: ValueType,
  doc: string,
  options?: { variadic?: number; experimental?: true },
];

const TYPE_LETTERS: Readonly<Record<string, ValueType>> = {
  v: "vector",
  m: "matrix",
  s: "scalar",
  t: "string",
};

/** Argument types as letters: vector, matrix, scalar, t for string. */
const ROWS: readonly Row[] = [
  ["abs", "v", "vector", "Absolute value"],
  ["absent", "v", "vector", "1 when the vector is empty, nothing otherwise"],
  ["absent_over_time", "m", "vector", "1 when the range holds no sample at all, nothing otherwise"],
  ["acos", "v", "vector", "Arccosine, in radians"],
  ["acosh", "v", "vector", "Inverse hyperbolic cosine"],
  ["asin", "v", "vector", "Arcsine, in radians"],
  ["asinh", "v", "vector", "Inverse hyperbolic sine"],
  ["atan", "v", "vector", "Arctangent, in radians"],
  ["atanh", "v", "vector", "Inverse hyperbolic tangent"],
  ["avg_over_time", "m", "vector", "Mean of the samples in the range"],
  ["ceil", "v", "vector", "Rounded up to a whole number"],
  ["changes", "m", "vector", "How often the value changed within the range"],
  ["clamp", "vss", "vector", "Limited to between the two scalars"],
  ["clamp_max", "vs", "vector", "Limited to at most the scalar"],
  ["clamp_min", "vs", "vector", "Limited to at least the scalar"],
  ["cos", "v", "vector", "Cosine of radians"],
  ["cosh", "v", "vector", "Hyperbolic cosine"],
  ["count_over_time", "m", "vector", "Number of samples in the range"],
  ["day_of_month", "v", "vector", "Day of the month in UTC, 1 to 31", { variadic: 1 }],
  ["day_of_week", "v", "vector", "Day of the week in UTC, 0 is Sunday", { variadic: 1 }],
  ["day_of_year", "v", "vector", "Day of the year in UTC, 1 to 366", { variadic: 1 }],
  ["days_in_month", "v", "vector", "Number of days of the month in UTC", { variadic: 1 }],
  ["deg", "v", "vector", "Radians as degrees"],
  ["delta", "m", "vector", "Difference of a gauge between the ends of the range, extrapolated"],
  ["deriv", "m", "vector", "Per-second slope of a gauge by linear regression"],
  [
    "double_exponential_smoothing",
    "mss",
    "vector",
    "Smoothed value by level and trend factors",
    { experimental: true },
  ],
  ["end", "", "scalar", "Time of the last step, in seconds", { experimental: true }],
  ["exp", "v", "vector", "e to the power of the value"],
  ["first_over_time", "m", "vector", "Oldest sample of the range"],
  ["floor", "v", "vector", "Rounded down to a whole number"],
  ["histogram_avg", "v", "vector", "Mean of the observations of native histograms"],
  ["histogram_count", "v", "vector", "Number of observations of native histograms"],
  ["histogram_fraction", "ssv", "vector", "Share of the observations between two bounds"],
  ["histogram_quantile", "sv", "vector", "Quantile estimated from the buckets of histograms"],
  [
    "histogram_quantiles",
    "vtss",
    "vector",
    "Several quantiles at once, told apart by a label",
    { variadic: 9, experimental: true },
  ],
  [
    "histogram_stddev",
    "v",
    "vector",
    "Standard deviation of the observations of native histograms",
  ],
  ["histogram_stdvar", "v", "vector", "Variance of the observations of native histograms"],
  ["histogram_sum", "v", "vector", "Sum of the observations of native histograms"],
  ["hour", "v", "vector", "Hour of the day in UTC, 0 to 23", { variadic: 1 }],
  ["idelta", "m", "vector", "Difference of the last two samples of the range"],
  ["increase", "m", "vector", "Growth of a counter over the range, extrapolated"],
  [
    "info",
    "vv",
    "vector",
    "Adds labels of matching info series",
    { variadic: 1, experimental: true },
  ],
  ["irate", "m", "vector", "Per-second growth of a counter between the last two samples"],
  ["label_join", "vttt", "vector", "Joins the values of labels into one label", { variadic: -1 }],
  ["label_replace", "vtttt", "vector", "Sets a label from a regular expression over another"],
  ["last_over_time", "m", "vector", "Newest sample of the range"],
  ["ln", "v", "vector", "Natural logarithm"],
  ["log10", "v", "vector", "Decimal logarithm"],
  ["log2", "v", "vector", "Binary logarithm"],
  [
    "mad_over_time",
    "m",
    "vector",
    "Median absolute deviation of the samples in the range",
    { experimental: true },
  ],
  ["max_of", "ss", "scalar", "The larger of two scalars", { experimental: true }],
  ["max_over_time", "m", "vector", "Largest sample of the range"],
  ["min_of", "ss", "scalar", "The smaller of two scalars", { experimental: true }],
  ["min_over_time", "m", "vector", "Smallest sample of the range"],
  ["minute", "v", "vector", "Minute of the hour in UTC, 0 to 59", { variadic: 1 }],
  ["month", "v", "vector", "Month of the year in UTC, 1 to 12", { variadic: 1 }],
  ["pi", "", "scalar", "The number pi"],
  ["predict_linear", "ms", "vector", "Value of a gauge in so many seconds, by linear regression"],
  ["present_over_time", "m", "vector", "1 for each series with a sample in the range"],
  ["quantile_over_time", "sm", "vector", "Quantile of the samples in the range"],
  ["rad", "v", "vector", "Degrees as radians"],
  [
    "range",
    "",
    "scalar",
    "Time from the first to the last step, in seconds",
    { experimental: true },
  ],
  ["rate", "m", "vector", "Per-second growth of a counter over the range, extrapolated"],
  ["resets", "m", "vector", "How often a counter was reset within the range"],
  ["round", "vs", "vector", "Rounded to the nearest multiple, ties upwards", { variadic: 1 }],
  ["scalar", "v", "scalar", "The value of a vector of one element, else NaN"],
  ["sgn", "v", "vector", "Sign of the value: -1, 0 or 1"],
  ["sin", "v", "vector", "Sine of radians"],
  ["sinh", "v", "vector", "Hyperbolic sine"],
  ["sort", "v", "vector", "Ordered by value, smallest first (instant queries)"],
  [
    "sort_by_label",
    "vt",
    "vector",
    "Ordered by label values in natural order (instant queries)",
    { variadic: -1, experimental: true },
  ],
  [
    "sort_by_label_desc",
    "vt",
    "vector",
    "Ordered by label values in reverse natural order (instant queries)",
    { variadic: -1, experimental: true },
  ],
  ["sort_desc", "v", "vector", "Ordered by value, largest first (instant queries)"],
  ["sqrt", "v", "vector", "Square root"],
  ["start", "", "scalar", "Time of the first step, in seconds", { experimental: true }],
  [
    "start_timestamp",
    "v",
    "vector",
    "Start time of the sample's counter, in seconds",
    { experimental: true },
  ],
  ["stddev_over_time", "m", "vector", "Standard deviation of the samples in the range"],
  ["stdvar_over_time", "m", "vector", "Variance of the samples in the range"],
  ["step", "", "scalar", "Time between steps, in seconds", { experimental: true }],
  ["sum_over_time", "m", "vector", "Sum of the samples in the range"],
  ["tan", "v", "vector", "Tangent of radians"],
  ["tanh", "v", "vector", "Hyperbolic tangent"],
  ["time", "", "scalar", "Time of the step, in seconds since 1970"],
  ["timestamp", "v", "vector", "Time of the sample, in seconds since 1970"],
  [
    "ts_of_first_over_time",
    "m",
    "vector",
    "Time of the oldest sample of the range",
    { experimental: true },
  ],
  [
    "ts_of_last_over_time",
    "m",
    "vector",
    "Time of the newest sample of the range",
    { experimental: true },
  ],
  [
    "ts_of_max_over_time",
    "m",
    "vector",
    "Time of the last largest sample of the range",
    { experimental: true },
  ],
  [
    "ts_of_min_over_time",
    "m",
    "vector",
    "Time of the last smallest sample of the range",
    { experimental: true },
  ],
  ["vector", "s", "vector", "The scalar as a vector without labels"],
  ["year", "v", "vector", "Year in UTC", { variadic: 1 }],
];

/** Every function by name. */
export const FUNCTIONS: ReadonlyMap<string, FunctionSignature> = new Map(
  ROWS.map(([name, args, returns, doc, options = {}]) => [
    name,
    {
      name,
      args: Array.from(args, (letter) => TYPE_LETTERS[letter]!),
      variadic: options.variadic ?? 0,
      returns,
      experimental: options.experimental ?? false,
      doc,
    },
  ]),
);
