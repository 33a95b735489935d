/** `stage.geoip`: where an address is, and whose it is, by a database in MaxMind's format (MaxMind DB file format specification, 2.0). */
import { createRequire } from "node:module";
import { isIP } from "node:net";
import type * as MaxMind from "mmdb-lib";
import type { AsnResponse, CityResponse, CountryResponse, Reader, Response } from "mmdb-lib";
import { describeError, FinchError } from "@finch/runtime";
import { oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { compileJsonQuery } from "./json-query.ts";
import { eachEntry, textOf } from "./process-stage.ts";
import type { Stage, StageContext } from "./process-stage.ts";

export const GEOIP_STAGE = {
  db: required("string", "The database: a file in MaxMind's format, held in memory."),
  source: required("string", "Extracted value that is the address."),
  db_type: oneOf(["", "city", "asn", "country"], "", "Which fields the database has."),
  custom_lookups: optional(
    "map(string)",
    {},
    "JMESPath expressions on the record by the name of what they give; without one the name is the expression.",
  ),
} as const;

type Field = readonly [name: string, value: unknown];

/** Adds what the database knows of the address to the extracted values; of an address it does not know, nothing. */
export function geoipStage(values: ValuesOf<typeof GEOIP_STAGE>, context: StageContext): Stage {
  const { db_type: type, custom_lookups: lookups } = values;
  if (values.source === "") throw badStage("source cannot be empty");
  if (type === "" && Object.keys(lookups).length === 0)
    throw badStage("give a db_type or custom_lookups");
  const queries = Object.entries(lookups).map(
    ([name, expression]) => [name, compileJsonQuery(expression || name)] as const,
  );
  const database = openDatabase(values.db, context);
  return eachEntry((entry) => {
    const address = textOf(entry.extracted.get(values.source))?.trim();
    if (address === undefined || isIP(address) === 0) return;
    const record = database?.get(address) ?? undefined;
    if (record === undefined) return;
    for (const [name, value] of FIELDS[type](record))
      if (value !== undefined && value !== "" && value !== 0) entry.extracted.set(name, value);
    for (const [name, query] of queries) {
      const found = query(record);
      if (found !== null) entry.extracted.set(name, found);
    }
  });
}

/** Undefined where configurations are only checked: the database may be on another machine. */
function openDatabase(path: string, context: StageContext): Reader<Response> | undefined {
  const { readFile } = context.pipeline;
  if (readFile === undefined) return undefined;
  let bytes: Buffer;
  try {
    bytes = readFile(path);
  } catch (cause) {
    throw badStage(`cannot read ${path}: ${describeError(cause)}`);
  }
  try {
    const mmdb = createRequire(import.meta.url)("mmdb-lib") as typeof MaxMind;
    return new mmdb.Reader<Response>(bytes);
  } catch (cause) {
    throw badStage(`${path} is not a database in MaxMind's format: ${describeError(cause)}`);
  }
}

const FIELDS: Readonly<
  Record<"" | "city" | "asn" | "country", (record: Response) => readonly Field[]>
> = {
  "": () => [],
  city: (record) => cityFields(record as CityResponse),
  country: (record) => countryFields(record as CountryResponse),
  asn: (record) => asnFields(record as AsnResponse),
};

function countryFields({ country, continent }: CountryResponse): readonly Field[] {
  return [
    ["geoip_country_name", country?.names.en],
    ["geoip_country_code", country?.iso_code],
    ["geoip_continent_name", continent?.names.en],
    ["geoip_continent_code", continent?.code],
  ];
}

function cityFields(record: CityResponse): readonly Field[] {
  const { city, location, postal, subdivisions } = record;
  // The last one is the most specific.
  const subdivision = subdivisions?.at(-1);
  const isLocated = location !== undefined && (location.latitude !== 0 || location.longitude !== 0);
  return [
    ["geoip_city_name", city?.names.en],
    ...countryFields(record),
    ["geoip_postal_code", postal?.code],
    ["geoip_timezone", location?.time_zone],
    ["geoip_subdivision_name", subdivision?.names.en],
    ["geoip_subdivision_code", subdivision?.iso_code],
    ["geoip_location_latitude", isLocated ? location.latitude : undefined],
    ["geoip_location_longitude", isLocated ? location.longitude : undefined],
  ];
}

function asnFields(record: AsnResponse): readonly Field[] {
  return [
    ["geoip_autonomous_system_number", record.autonomous_system_number],
    ["geoip_autonomous_system_organization", record.autonomous_system_organization],
  ];
}

function badStage(what: string): FinchError {
  return new FinchError("invalid", "agent/bad-stage", `stage.geoip: ${what}`);
}
