/** Moves the values of all series from one scrape to the next, as `traffic-series.ts` says. */
import type { Random } from "./traffic-random.ts";
import { BUCKET_BOUNDS, BUCKET_SHARES } from "./traffic-shape.ts";
import type { TrafficSeries } from "./traffic-shape.ts";

/** What the rates of events and walks are meant for; flows and times follow the interval of the recording. */
export const SCRAPE_INTERVAL_MS = 15_000;
/** Swing of the load over the hours, so that counters do not grow as a straight line. */
const LOAD_SWING = 0.4;
const LOAD_PERIOD_MS = 7 * 3_600_000;

/** What was observed by one histogram between two scrapes; its parts read it in order. */
interface Observations {
  readonly counts: Uint32Array;
  total: number;
  sum: number;
}

/** Sets `value` of every series to what it is at this scrape; `timesMs` holds the time of the scrape of each target. */
export function moveValues(
  series: readonly TrafficSeries[],
  random: Random,
  scrape: { readonly timesMs: Float64Array; readonly intervalMs: number },
): void {
  const { timesMs } = scrape;
  const load = 1 + LOAD_SWING * Math.sin((2 * Math.PI * timesMs[0]!) / LOAD_PERIOD_MS);
  const moving = { load, seconds: scrape.intervalMs / 1000 };
  const observed: Observations = {
    counts: new Uint32Array(BUCKET_BOUNDS.length),
    total: 0,
    sum: 0,
  };
  for (const one of series) {
    switch (one.movement) {
      case "bucket":
        if (one.grain === 0) observe(observed, random.poisson(one.rate * load), random);
        one.value += observed.counts[one.grain]!;
        break;
      case "sum":
        one.value += observed.sum;
        break;
      case "count":
        one.value += observed.total;
        break;
      case "clock":
        one.value = timesMs[one.target]! / 1000 + 0.123;
        break;
      case "tick":
        one.value = Math.floor(timesMs[one.target]! / 1000);
        break;
      default:
        one.value = nextValue(one, random, moving);
    }
  }
}

function nextValue(
  series: TrafficSeries,
  random: Random,
  { load, seconds }: { readonly load: number; readonly seconds: number },
): number {
  const { value, rate, grain } = series;
  switch (series.movement) {
    case "events":
      return value + random.poisson(rate * load);
    case "flow": {
      const grown = rate * seconds * load * Math.max(0, 1 + 0.35 * random.gauss());
      return value + Math.round(grown / grain) * grain;
    }
    case "seconds":
      return rounded(value + rate * seconds * Math.max(0, 1 + grain * random.gauss()), 100);
    case "nanos":
      return rounded(value + rate * seconds * Math.max(0, 1 + grain * random.gauss()), 1e9);
    case "pages":
      if (random.uniform() >= 0.7) return value;
      return Math.max(4096, value + Math.round(random.gauss() * rate) * 4096);
    case "walk":
      return Math.min(grain, Math.max(0, value + Math.round(random.gauss() * rate)));
    case "hundredths":
      return Math.max(0, rounded(value + 0.5 * rate * random.gauss(), 100));
    case "held":
      return random.uniform() < rate ? 3e-5 * (1 + 3 * random.uniform()) : value;
    case "duration":
      return 0.003 + 0.004 * random.uniform();
    default:
      return value;
  }
}

const rounded = (value: number, parts: number) => Math.round(value * parts) / parts;

/** Draws `total` request durations; counts are cumulative, as buckets are. */
function observe(into: Observations, total: number, random: Random): void {
  const { counts } = into;
  counts.fill(0);
  into.total = total;
  into.sum = 0;
  for (let i = 0; i < total; i++) {
    const share = random.uniform();
    let bucket = 0;
    while (BUCKET_SHARES[bucket]! < share) bucket++;
    counts[bucket]!++;
    const from = bucket === 0 ? 0 : Number(BUCKET_BOUNDS[bucket - 1]);
    const to = Math.min(20, Number(BUCKET_BOUNDS[bucket]));
    into.sum += from + random.uniform() * (to - from);
  }
  for (let bucket = 1; bucket < counts.length; bucket++) counts[bucket]! += counts[bucket - 1]!;
}
