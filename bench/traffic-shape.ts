/** What the series of the benches' traffic are made of: labels, a target, and how the value moves. */

/**
 * How a value moves from scrape to scrape. `rate` and `grain` mean: events: expected a scrape; flow: `rate` a second in whole multiples of `grain`;
 * seconds: `rate` a second with relative noise `grain`, in hundredths; nanos: the same in billionths; pages: standard deviation in pages of 4 KiB;
 * walk: deviation a scrape, up to `grain`; hundredths: a walk in steps of 0.01; clock: time of the scrape; tick: whole seconds;
 * held: a new value with probability `rate`; duration: a scrape's own length; bucket, sum, count: parts of one histogram, which stand in this
 * order, `grain` being the index of the bucket.
 */
export type Movement =
  | "constant"
  | "events"
  | "flow"
  | "seconds"
  | "nanos"
  | "pages"
  | "walk"
  | "hundredths"
  | "clock"
  | "tick"
  | "held"
  | "duration"
  | "bucket"
  | "sum"
  | "count";

export interface TrafficSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** Number of the scrape target it belongs to: all series of a target share their timestamps. */
  readonly target: number;
  readonly movement: Movement;
  value: number;
  readonly rate: number;
  readonly grain: number;
}

export const BUCKET_BOUNDS = [
  "0.005",
  "0.01",
  "0.025",
  "0.05",
  "0.1",
  "0.25",
  "0.5",
  "1",
  "2.5",
  "5",
  "10",
  "+Inf",
];
/** Share of the requests that end up to each bound. */
export const BUCKET_SHARES = [
  0.08, 0.2, 0.45, 0.66, 0.82, 0.92, 0.965, 0.985, 0.995, 0.998, 0.9995, 1,
];

/** A machine of the cluster. */
export interface Node {
  readonly name: string;
  readonly address: string;
  readonly region: string;
  readonly zone: string;
}

export const NAMESPACES = [
  "checkout",
  "catalog",
  "payments",
  "search",
  "identity",
  "kube-system",
  "monitoring",
  "frontend",
];
export const SERVICES = [
  "api",
  "web",
  "worker",
  "gateway",
  "cart",
  "auth",
  "billing",
  "indexer",
  "recommender",
  "mailer",
];

/** Adds a series to the target at hand. */
export type Add = (
  name: string,
  extra: Readonly<Record<string, string>>,
  movement: Movement,
  value?: number,
  rate?: number,
  grain?: number,
) => void;

/** Collects series of one target and cuts or fails to the expected number. */
export function collect(
  target: number,
  base: Readonly<Record<string, string>>,
  fill: (add: Add) => void,
  expected: number,
): TrafficSeries[] {
  const series: TrafficSeries[] = [];
  fill((name, extra, movement, value = 0, rate = 0, grain = 0) => {
    series.push({
      labels: { __name__: name, ...base, ...extra },
      target,
      movement,
      value,
      rate,
      grain,
    });
  });
  if (series.length < expected)
    throw new RangeError(`${series.length} series, ${expected} expected`);
  return series.slice(0, expected);
}
