/** The configuration with which `finch up` watches its own machine; written for people who read one for the first time. */
import { execFile } from "node:child_process";
import { readlink } from "node:fs/promises";

export interface MachineConfigOptions {
  /** Becomes the `instance` label of everything; the name of the machine when absent. */
  readonly hostname?: string;
  /** Where metrics go, such as `http://127.0.0.1:9090/api/v1/write`. */
  readonly metricsUrl: string;
  /** Whose the metrics are, where they go to a server with tenants. */
  readonly metricsTenant?: string;
  /** Where log lines go, such as `http://127.0.0.1:3100/loki/api/v1/push`. */
  readonly logsUrl: string;
  /** Go notation; `5s` when absent. */
  readonly scrapeInterval?: string;
  /** Whether there is a journal to read; see {@link detectJournal}. */
  readonly hasJournal: boolean;
  /** IANA zone of times in log files that name none; UTC when absent. See {@link detectTimeZone}. */
  readonly timeZone?: string;
  /** Patterns of log files; {@link MACHINE_LOG_FILES} when absent. Empty when only the journal is read. */
  readonly logFiles?: readonly string[];
}

/** Text logs of a usual Linux machine. */
export const MACHINE_LOG_FILES: readonly string[] = [
  "/var/log/syslog",
  "/var/log/messages",
  "/var/log/**/*.log",
];

/** Not text, or written by the journal itself. */
const EXCLUDED_LOGS =
  "/var/log/{journal/**,**/*.gz,**/*.xz,**/*.zst,**/*.bz2,**/*.[0-9],**/*.[0-9].log,lastlog,wtmp,btmp,faillog}";

/** The time a line begins with: ISO 8601 with a space or a T, or syslog's. */
const LINE_TIME =
  "^(?P<time>\\d{4}-\\d\\d-\\d\\d[ T]\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d+)?(?:Z|[+-]\\d\\d:\\d\\d)?|[A-Z][a-z][a-z] [ \\d]\\d \\d\\d:\\d\\d:\\d\\d)";

const JOURNALCTL = "journalctl";

/** Whether `journalctl` is there and may read at least one entry. */
export async function detectJournal(): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(
      JOURNALCTL,
      ["--lines=1", "--quiet", "--no-pager", "--output=cat"],
      { timeout: DETECT_MS_MAX },
      (error, output) => {
        resolve(error === null && output !== "");
      },
    );
  });
}

/** A journal on a sleeping disk may take long to open; without a bound the start waits for it. */
const DETECT_MS_MAX = 3000;

/** The machine's zone by the name of its zone file, such as `Europe/Berlin`; undefined when it is UTC or cannot be told. */
export async function detectTimeZone(): Promise<string | undefined> {
  const target = await readlink("/etc/localtime").catch(() => "");
  const name = /zoneinfo\/(.+)$/.exec(target)?.[1];
  return name === undefined || /^(?:Etc\/)?(?:UTC|UCT|Zulu|Universal)$/.test(name)
    ? undefined
    : name;
}

/** The text of `config.alloy`. It validates as it is. */
export function generateMachineConfig(options: MachineConfigOptions): string {
  const { logFiles = MACHINE_LOG_FILES } = options;
  const logs = [
    options.hasJournal ? journalSection() : "",
    logFiles.length > 0 ? filesSection(logFiles, options.timeZone) : "",
  ].filter((section) => section !== "");
  const sections = [
    introduction(),
    metricsSection(options),
    ...(logs.length > 0 ? [...logs, logsSection(options)] : []),
  ];
  return `${sections.join("\n\n")}\n`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function introduction(): string {
  return `// This file tells the collector what to watch on this machine and where to send it.
//
// Every block is a component. Data flows from one to the next along "forward_to";
// a name such as prometheus.scrape.machine refers to the component that has it.
// The page of the collector on port 12345 shows all of them with their health.

logging {
	level = "info"
}`;
}

function metricsSection({
  hostname,
  metricsUrl,
  metricsTenant,
  scrapeInterval = "5s",
}: MachineConfigOptions): string {
  const tenant =
    metricsTenant === undefined
      ? ""
      : `\n\t\theaders = { "X-Scope-OrgID" = ${quote(metricsTenant)} }`;
  return `// METRICS: processor, memory, disks, file systems, network.

// Reads the numbers the kernel keeps, under the names of node_exporter.
prometheus.exporter.unix "machine" { }

// Names the machine. Dashboards for node_exporter look for exactly this job.
discovery.relabel "machine" {
	targets = prometheus.exporter.unix.machine.targets

	rule {
		target_label = "instance"
		replacement  = ${hostname === undefined ? "constants.hostname" : quote(hostname.replaceAll("$", "$$$$"))}
	}

	rule {
		target_label = "job"
		replacement  = "integrations/node_exporter"
	}
}

// Asks for the numbers again and again. A longer interval costs less.
prometheus.scrape "machine" {
	targets         = discovery.relabel.machine.output
	forward_to      = [prometheus.remote_write.finch.receiver]
	scrape_interval = ${quote(scrapeInterval)}
	scrape_timeout  = ${quote(scrapeInterval)}
}

// Sends them. What cannot be sent now waits on disk.
prometheus.remote_write "finch" {
	endpoint {
		url = ${quote(metricsUrl)}${tenant}

		// Send each scrape at once instead of waiting for a full request: charts move sooner.
		queue_config {
			batch_send_deadline = "200ms"
		}
	}
}`;
}

function journalSection(): string {
  return `// LOGS: the systemd journal.

// These rules make labels from fields of the journal. Use few labels with few values:
// everything else can be searched in the text.
loki.relabel "journal" {
	forward_to = []

	rule {
		source_labels = ["__journal__systemd_unit"]
		target_label  = "unit"
	}

	rule {
		source_labels = ["__journal_priority_keyword"]
		target_label  = "level"
	}

	rule {
		source_labels = ["__journal_syslog_identifier"]
		target_label  = "service_name"
	}
}

// Reads what services and the kernel say, beginning an hour back at the first start.
loki.source.journal "machine" {
	forward_to    = [loki.write.finch.receiver]
	relabel_rules = loki.relabel.journal.rules
	max_age       = "1h"
}`;
}

function filesSection(logFiles: readonly string[], timeZone: string | undefined): string {
  const location = timeZone === undefined ? "" : `\t\tlocation          = ${quote(timeZone)}\n`;
  const targets = logFiles.map(
    (path) => `\t\t{
\t\t\t__path__         = ${quote(path)},
\t\t\t__path_exclude__ = ${quote(EXCLUDED_LOGS)},
\t\t\tjob              = "files",
\t\t},`,
  );
  return `// LOGS: files.

// Finds log files, and looks for new ones every ten seconds. ** stands for any number
// of directories. Compressed and rotated files and the journal's own are left out.
local.file_match "machine" {
	path_targets = [
${targets.join("\n")}
	]
}

// Follows them, also across rotation. Each line gets the label "filename".
loki.source.file "machine" {
	targets    = local.file_match.machine.targets
	forward_to = [loki.process.files.receiver]
}

// Works on lines on their way: drops blank ones, and takes the time a line begins with
// instead of the time it is read, so that what was there before Finch came stands where
// it belongs. Stages that parse JSON, make labels or count matches would stand here, too.
loki.process "files" {
	forward_to = [loki.write.finch.receiver]

	stage.drop {
		expression          = "^\\\\s*$"
		drop_counter_reason = "blank"
	}

	stage.regex {
		expression = ${quote(LINE_TIME)}
	}

	stage.timestamp {
		source            = "time"
		format            = "2006-01-02 15:04:05"
		fallback_formats  = ["RFC3339Nano", "2006-01-02T15:04:05", "Jan _2 15:04:05"]
${location}		action_on_failure = "skip"
	}

	stage.drop {
		older_than          = "72h"
		drop_counter_reason = "old"
	}
}`;
}

function logsSection({ hostname, logsUrl }: MachineConfigOptions): string {
  return `// Sends log lines, with the name of this machine. What cannot be sent now waits on disk.
loki.write "finch" {
	endpoint {
		url = ${quote(logsUrl)}
	}

	external_labels = {
		instance = ${hostname === undefined ? "constants.hostname" : quote(hostname)},
	}
}`;
}
