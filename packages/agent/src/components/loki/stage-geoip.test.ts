import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Labels } from "@finch/model";
import { systemClock } from "@finch/runtime";
import { buildPipeline, runPipeline } from "./process.ts";

/** A value as the data section of MaxMind's format has it; numbers with a fraction are doubles, others 32 bits. */
function encode(value: unknown): Buffer {
  const control = (type: number, size: number) => {
    assert.ok(size < 285);
    const [first, rest] = size < 29 ? [size, []] : [29, [size - 29]];
    return Buffer.from(type > 7 ? [first, type - 7, ...rest] : [(type << 5) | first, ...rest]);
  };
  if (typeof value === "string")
    return Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)]);
  if (typeof value === "number") {
    const isDouble = !Number.isInteger(value);
    const bytes = Buffer.alloc(isDouble ? 8 : 4);
    if (isDouble) bytes.writeDoubleBE(value);
    else bytes.writeUInt32BE(value);
    return Buffer.concat([control(isDouble ? 3 : 6, bytes.length), bytes]);
  }
  if (Array.isArray(value)) return Buffer.concat([control(11, value.length), ...value.map(encode)]);
  const entries = Object.entries(value as object);
  return Buffer.concat([control(7, entries.length), ...entries.flat().map(encode)]);
}

/** A database that knows one thing of all addresses of 81.0.0.0/8. */
function database(record: object): Buffer {
  const bits = Array.from({ length: 8 }, (_, bit) => (81 >> (7 - bit)) & 1);
  const tree = Buffer.alloc(6 * bits.length);
  for (const [node, bit] of bits.entries()) {
    const next = node + 1 < bits.length ? node + 1 : bits.length + 16;
    tree.writeUIntBE(bit === 0 ? next : bits.length, 6 * node, 3);
    tree.writeUIntBE(bit === 1 ? next : bits.length, 6 * node + 3, 3);
  }
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    database_type: "Test",
    description: { en: "test" },
    ip_version: 4,
    languages: ["en"],
    node_count: bits.length,
    record_size: 24,
  });
  const marker = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");
  return Buffer.concat([tree, Buffer.alloc(16), encode(record), marker, metadata]);
}

const CITY = {
  city: { names: { en: "Gloucester", de: "Glocester" } },
  continent: { code: "EU", names: { en: "Europe" } },
  country: { iso_code: "GB", names: { en: "United Kingdom" } },
  location: { latitude: 51.25, longitude: -2.5, time_zone: "Europe/London" },
  postal: { code: "GL1" },
  subdivisions: [
    { iso_code: "ENG", names: { en: "England" } },
    { iso_code: "GLS", names: { en: "Gloucestershire" } },
  ],
};

describe("stage.geoip", () => {
  const directory = mkdtempSync(join(tmpdir(), "finch-geoip-"));
  after(() => rmSync(directory, { recursive: true }));
  const files = {
    city: database(CITY),
    asn: database({ autonomous_system_number: 1221, autonomous_system_organization: "Telstra" }),
    bad: Buffer.from("no database"),
  };
  for (const [name, bytes] of Object.entries(files))
    writeFileSync(join(directory, `${name}.mmdb`), bytes);

  function build(geoip: object) {
    const json = {
      expressions: { ip: "" },
      source: undefined,
      drop_malformed: false,
      regex: "",
    };
    const nothing = { add: () => {}, set: () => {} };
    const metrics = {
      counter: () => nothing,
      gauge: () => nothing,
      histogram: () => ({ observe: () => {} }),
    };
    return buildPipeline(
      [
        { name: "json", values: json },
        { name: "geoip", values: { source: "ip", db_type: "", custom_lookups: {}, ...geoip } },
        { name: "structured_metadata", values: { values: undefined, regex: "^[^i]" } },
      ],
      {
        clock: systemClock,
        metrics,
        dropped: () => {},
        readFile: (path) => readFileSync(path),
      },
    );
  }

  function found(geoip: object, ip: string): Record<string, string> {
    const line = JSON.stringify({ ip });
    const entry = { labels: Labels.EMPTY, timestampNs: 1n, line, structuredMetadata: Labels.EMPTY };
    return runPipeline(build(geoip), [entry])[0]!.structuredMetadata.toObject();
  }

  test("a city", () => {
    assert.deepEqual(found({ db: join(directory, "city.mmdb"), db_type: "city" }, "81.2.69.160"), {
      geoip_city_name: "Gloucester",
      geoip_continent_code: "EU",
      geoip_continent_name: "Europe",
      geoip_country_code: "GB",
      geoip_country_name: "United Kingdom",
      geoip_location_latitude: "51.25",
      geoip_location_longitude: "-2.5",
      geoip_postal_code: "GL1",
      geoip_subdivision_code: "GLS",
      geoip_subdivision_name: "Gloucestershire",
      geoip_timezone: "Europe/London",
    });
  });
  test("a country, an autonomous system", () => {
    const country = found({ db: join(directory, "city.mmdb"), db_type: "country" }, "81.0.0.1");
    assert.equal(country["geoip_country_code"], "GB");
    assert.equal(country["geoip_city_name"], undefined);
    assert.deepEqual(found({ db: join(directory, "asn.mmdb"), db_type: "asn" }, "81.0.0.1"), {
      geoip_autonomous_system_number: "1221",
      geoip_autonomous_system_organization: "Telstra",
    });
  });
  test("lookups of one's own, by JMESPath", () => {
    const custom_lookups = {
      german: "city.names.de",
      first: "subdivisions[*].iso_code | [0]",
      none: "",
    };
    assert.deepEqual(found({ db: join(directory, "city.mmdb"), custom_lookups }, "81.0.0.1"), {
      german: "Glocester",
      first: "ENG",
    });
  });
  test("nothing of an address that the database does not have, nor of what is none", () => {
    for (const ip of ["82.0.0.1", "81.0.0", "host", "2001:db8::1", ""])
      assert.deepEqual(found({ db: join(directory, "city.mmdb"), db_type: "city" }, ip), {}, ip);
  });
  test("says what is wrong", () => {
    const city = { db: join(directory, "city.mmdb"), db_type: "city" };
    const bad: readonly (readonly [object, RegExp])[] = [
      [
        { ...city, db: join(directory, "bad.mmdb") },
        /bad\.mmdb is not a database in MaxMind's format/,
      ],
      [{ ...city, db: join(directory, "none.mmdb") }, /none\.mmdb.*no such file/],
      [{ ...city, source: "" }, /source cannot be empty/],
      [{ ...city, db_type: "" }, /give a db_type or custom_lookups/],
      [{ ...city, custom_lookups: { a: "b[" } }, /is not a JMESPath expression/],
    ];
    for (const [values, message] of bad) assert.throws(() => build(values), message);
  });
});
