/** Collectors of `prometheus.exporter.mysql` for what InnoDB tells of itself: its counters, its tablespaces, and queries inside it. */
import type { FamilySet } from "../unix/family-set.ts";
import {
  collectTable,
  columnNames,
  gauge,
  numberOf,
  type MysqlCollector,
  type Table,
} from "./table.ts";

const METRICS = "mysql_info_schema_innodb_metrics";

/** Those counters that are on; MySQL says so by a status, MariaDB by a number. */
export const INNODB_METRICS: MysqlCollector = {
  async collect(ask, families) {
    const columns = await columnNames(ask, "information_schema", "INNODB_METRICS");
    const isOn = columns.has("STATUS") ? "STATUS = 'enabled'" : "ENABLED = 1";
    const { rows } = await ask(
      `SELECT NAME, SUBSYSTEM, TYPE, COMMENT, COUNT FROM information_schema.innodb_metrics WHERE ${isOn}`,
    );
    for (const [name, subsystem, type, comment, count] of rows) {
      const metric = {
        name: name ?? "",
        subsystem: subsystem ?? "",
        type: type ?? "",
        comment: comment ?? "",
        value: numberOf(count ?? "", `COUNT of ${name}`),
      };
      addInnodbMetric(families, metric);
    }
  },
};

interface InnodbMetric {
  readonly name: string;
  readonly subsystem: string;
  readonly type: string;
  readonly comment: string;
  readonly value: number;
}

function addInnodbMetric(families: FamilySet, metric: InnodbMetric): void {
  const { name, subsystem, type, comment, value } = metric;
  if (subsystem === "buffer_page_io") {
    const [, way, kind] = /^buffer_page_(read|written)_(.*)$/.exec(name) ?? [];
    if (way !== undefined)
      families
        .take(
          "counter",
          `${METRICS}_buffer_page_${way}_total`,
          `Total number of buffer pages ${way} total.`,
        )
        .add(value, "type", kind!);
    return;
  }
  const [, state] = (subsystem === "buffer" && /^buffer_pool_pages_(.*)$/.exec(name)) || [];
  if (state !== undefined) {
    addPages(families, state, value);
    return;
  }
  const full = `${METRICS}_${subsystem}_${name}`;
  if ((type === "counter" || type === "status_counter") && value >= 0)
    families.take("counter", `${full}_total`, comment).add(value);
  else families.take("gauge", full, comment).add(value);
}

function addPages(families: FamilySet, state: string, value: number): void {
  if (state === "dirty")
    families
      .take(
        "gauge",
        `${METRICS}_buffer_pool_dirty_pages`,
        "Total number of dirty pages in the buffer pool.",
      )
      .add(value);
  else if (state !== "total")
    families
      .take("gauge", `${METRICS}_buffer_pool_pages`, "Total number of buffer pool pages by state.")
      .add(value, "state", state);
}

/** MySQL 8's name, and that of all others. */
const TABLESPACES = ["INNODB_TABLESPACES", "INNODB_SYS_TABLESPACES"];

export const INNODB_TABLESPACES: MysqlCollector = {
  async collect(ask, families) {
    for (const name of TABLESPACES) {
      const columns = await columnNames(ask, "information_schema", name);
      if (columns.size === 0) continue;
      await collectTable(ask, families, tablespaces(name, columns));
      return;
    }
    throw new Error(`the server has no information_schema.${TABLESPACES.join(" or ")}`);
  },
};

function tablespaces(table: string, columns: ReadonlySet<string>): Table {
  const labels = { tablespace_name: "NAME" };
  return {
    from: `information_schema.${table}`,
    labels,
    figures: [
      gauge(
        "mysql_info_schema_innodb_tablespace_space_info",
        "The Tablespace information and Space ID.",
        "SPACE",
        {
          labels: {
            ...labels,
            // mysqld_exporter tells whether there is such a column, and not what it holds.
            file_format: columns.has("FILE_FORMAT") ? "'FILE_FORMAT'" : "'NONE'",
            row_format: "IFNULL(ROW_FORMAT, 'NONE')",
            space_type: columns.has("SPACE_TYPE") ? "IFNULL(SPACE_TYPE, 'NONE')" : "''",
          },
        },
      ),
      gauge(
        "mysql_info_schema_innodb_tablespace_file_size_bytes",
        "The apparent size of the file, which represents the maximum size of the file, uncompressed.",
        "FILE_SIZE",
      ),
      gauge(
        "mysql_info_schema_innodb_tablespace_allocated_size_bytes",
        "The actual size of the file, which is the amount of space allocated on disk.",
        "ALLOCATED_SIZE",
      ),
    ],
  };
}

/** Lines of the status with numbers: which, name, help. */
const STATUS_LINES: readonly (readonly [RegExp, string, string])[] = [
  [
    /(\d+) queries inside InnoDB, \d+ queries in queue/,
    "queries_inside_innodb",
    "Queries inside InnoDB.",
  ],
  [/\d+ queries inside InnoDB, (\d+) queries in queue/, "queries_in_queue", "Queries in queue."],
  [
    /(\d+) read views open inside InnoDB/,
    "read_views_open_inside_innodb",
    "Read views open inside InnoDB.",
  ],
];

export const ENGINE_INNODB_STATUS: MysqlCollector = {
  async collect(ask, families) {
    const { rows } = await ask("SHOW ENGINE INNODB STATUS");
    const status = rows[0]?.[2] ?? "";
    for (const [pattern, name, help] of STATUS_LINES) {
      const [, value] = pattern.exec(status) ?? [];
      if (value !== undefined)
        families.take("gauge", `mysql_engine_innodb_${name}`, help).add(Number(value));
    }
  },
};
