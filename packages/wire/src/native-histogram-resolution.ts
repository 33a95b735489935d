/** Coarser native histograms, for scrapers that limit how many buckets a target may expose. */
import { CUSTOM_BOUNDS_SCHEMA, EXPONENTIAL_SCHEMA_MIN, type Histogram } from "@finch/model";
import { reduceBuckets } from "./native-histogram-check.ts";

export interface ResolutionLimits {
  /** 0: any number. */
  readonly bucketsMax: number;
  /** The finest schema to keep; Infinity keeps all. */
  readonly schemaMax: number;
}

/**
 * The histogram within the limits, neighbouring buckets joined as often as it takes; undefined when even the coarsest schema has too many. Custom
 * bounds cannot be joined.
 */
export function limitResolution(
  histogram: Histogram,
  limits: ResolutionLimits,
): Histogram | undefined {
  const { bucketsMax, schemaMax } = limits;
  const isOver = ({ positive, negative }: Histogram) =>
    bucketsMax > 0 && positive.counts.length + negative.counts.length > bucketsMax;
  if (histogram.schema === CUSTOM_BOUNDS_SCHEMA) return isOver(histogram) ? undefined : histogram;
  let limited = withSchema(histogram, Math.min(histogram.schema, schemaMax));
  while (isOver(limited)) {
    if (limited.schema <= EXPONENTIAL_SCHEMA_MIN) return undefined;
    limited = withSchema(limited, limited.schema - 1);
  }
  return limited;
}

/** The finest schema whose neighbouring bounds are at least `factor` apart; Infinity for factors up to 1. */
export function schemaOfFactor(factor: number): number {
  if (!(factor > 1)) return Infinity;
  return Math.max(EXPONENTIAL_SCHEMA_MIN, Math.floor(-Math.log2(Math.log2(factor))) + 0);
}

function withSchema(histogram: Histogram, schema: number): Histogram {
  const shift = histogram.schema - schema;
  if (shift <= 0) return histogram;
  return {
    ...histogram,
    schema,
    positive: reduceBuckets(histogram.positive, shift),
    negative: reduceBuckets(histogram.negative, shift),
  };
}
