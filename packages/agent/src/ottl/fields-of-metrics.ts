/** Paths of metrics and their data points. */
import type { Metric } from "@finch/wire";
import { OttlRunFault } from "./fault.ts";
import {
  attributesField,
  countField,
  partsField,
  someField,
  textField,
  timeField,
  wideField,
  type Field,
  type Fields,
} from "./fields.ts";
import { boolean, integer } from "./signature.ts";
import type { DataPoint, Subject } from "./subject.ts";
import { typeOf, type OttlValue } from "./values.ts";

const metric = (subject: Subject) => subject.metric!;
const point = (subject: Subject) => subject.point!;

const DATA = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"] as const;

/** 0 for none, then as {@link DATA} has them: the numbers of `METRIC_DATA_TYPE_…`. */
export function dataTypeOf(of: Metric): number {
  return DATA.findIndex((name) => of[name] !== undefined) + 1;
}

/** The list that holds the points of a metric; undefined when it has no data. */
export function pointsOf(of: Metric): DataPoint[] | undefined {
  const name = DATA[dataTypeOf(of) - 1];
  return name === undefined ? undefined : of[name]!.dataPoints;
}

/** What has a temporality. */
export function aggregatedOf(of: Metric): { aggregationTemporality: number } | undefined {
  return of.sum ?? of.histogram ?? of.exponentialHistogram;
}

export const METRIC_FIELDS: Fields = {
  name: textField(metric, "name"),
  description: textField(metric, "description"),
  unit: textField(metric, "unit"),
  type: {
    get: (subject) => BigInt(dataTypeOf(metric(subject))),
    set: () => {
      throw new OttlRunFault(
        "the type of a metric is changed with functions such as convert_sum_to_gauge",
      );
    },
    keyed: undefined,
  },
  aggregation_temporality: someField((subject) => aggregatedOf(metric(subject)), {
    what: "aggregation_temporality",
    get: (data) => BigInt(data.aggregationTemporality),
    set: (data, value) => {
      data.aggregationTemporality = Number(integer.convert(value));
    },
  }),
  is_monotonic: someField((subject) => metric(subject).sum, {
    what: "is_monotonic",
    get: (sum) => sum.isMonotonic,
    set: (sum, value) => {
      sum.isMonotonic = boolean.convert(value);
    },
  }),
  data_points: partsField("data points", (subject) => pointsOf(metric(subject))),
  metadata: attributesField(metric, "metadata"),
};

export const DATA_POINT_FIELDS: Fields = {
  attributes: attributesField(point, "attributes"),
  start_time_unix_nano: wideField(point, "startTimeUnixNano"),
  time_unix_nano: wideField(point, "timeUnixNano"),
  start_time: timeField(point, "startTimeUnixNano"),
  time: timeField(point, "timeUnixNano"),
  flags: countField(point, "flags"),
  value_double: pointField("value_double", "asDouble", {
    get: (of) => of.asDouble ?? 0,
    set: (of, value) => {
      of.asDouble = exactDouble(value);
      of.asInt = undefined;
    },
  }),
  value_int: pointField("value_int", "asInt", {
    get: (of) => of.asInt ?? 0n,
    set: (of, value) => {
      of.asInt = integer.convert(value);
      of.asDouble = undefined;
    },
  }),
  exemplars: partsField("exemplars", (subject) => {
    const of = point(subject);
    return "exemplars" in of ? of.exemplars : undefined;
  }),
  count: pointField("count", "count", {
    get: (of) => BigInt.asIntN(64, of.count),
    set: (of, value) => {
      of.count = BigInt.asUintN(64, integer.convert(value));
    },
  }),
  sum: pointField("sum", "sum", {
    get: (of) => of.sum ?? 0,
    set: (of, value) => {
      of.sum = exactDouble(value);
    },
  }),
  bucket_counts: pointField("bucket_counts", "bucketCounts", {
    get: (of) => [...of.bucketCounts],
    set: (of, value) => {
      of.bucketCounts = itemsOf(value, (item) => BigInt.asUintN(64, integer.convert(item)));
    },
  }),
  explicit_bounds: pointField("explicit_bounds", "explicitBounds", {
    get: (of) => [...of.explicitBounds],
    set: (of, value) => {
      of.explicitBounds = itemsOf(value, exactDouble);
    },
  }),
  scale: pointField("scale", "scale", {
    get: (of) => BigInt(of.scale),
    set: (of, value) => {
      of.scale = Number(BigInt.asIntN(32, integer.convert(value)));
    },
  }),
  zero_count: pointField("zero_count", "zeroCount", {
    get: (of) => BigInt.asIntN(64, of.zeroCount),
    set: (of, value) => {
      of.zeroCount = BigInt.asUintN(64, integer.convert(value));
    },
  }),
  ...bucketFields("positive"),
  ...bucketFields("negative"),
  quantile_values: partsField("quantile values", (subject) => {
    const of = point(subject);
    return "quantileValues" in of ? of.quantileValues : undefined;
  }),
};

/** A field of the kinds of points that have `property`. */
function pointField<Property extends string>(
  what: string,
  property: Property,
  access: {
    readonly get: (of: Extract<DataPoint, Record<Property, unknown>>) => OttlValue;
    readonly set: (of: Extract<DataPoint, Record<Property, unknown>>, value: OttlValue) => void;
  },
): Field {
  const of = (subject: Subject) => {
    const one = point(subject);
    return property in one ? (one as Extract<DataPoint, Record<Property, unknown>>) : undefined;
  };
  return someField(of, { what, ...access });
}

function bucketFields(side: "positive" | "negative"): Fields {
  return {
    [`${side}.offset`]: pointField(`${side}.offset`, "scale", {
      get: (of) => BigInt(of[side].offset),
      set: (of, value) => {
        of[side].offset = Number(BigInt.asIntN(32, integer.convert(value)));
      },
    }),
    [`${side}.bucket_counts`]: pointField(`${side}.bucket_counts`, "scale", {
      get: (of) => [...of[side].bucketCounts],
      set: (of, value) => {
        of[side].bucketCounts = itemsOf(value, (item) => BigInt.asUintN(64, integer.convert(item)));
      },
    }),
  };
}

function exactDouble(value: OttlValue): number {
  if (typeof value === "number") return value;
  throw new OttlRunFault(`expected a double, got ${typeOf(value)}`);
}

function itemsOf<Item>(value: OttlValue, convert: (item: OttlValue) => Item): Item[] {
  if (!Array.isArray(value)) throw new OttlRunFault(`expected a list, got ${typeOf(value)}`);
  return value.map(convert);
}
