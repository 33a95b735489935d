/** The configuration with which `finch up` watches its own machine; written for people who read one for the first time. */
import { execFile } from "node:child_process";

export interface MachineConfigOptions {
  /** Becomes the `instance` label of everything; the name of the machine when absent. */
  readonly hostname?: string;
  /** Where metrics go, such as `http://127.0.0.1:9090/api/v1/write`. */
  readonly metricsUrl: string;
  /** Where log lines go, such as `http://127.0.0.1:3100/loki/api/v1/push`. */
  readonly logsUrl: string;
  /** Go notation; `5s` when absent. */
  readonly scrapeInterval?: string;
  /** Whether there is a journal to read; see {@link detectJournal}. */
  readonly hasJournal: boolean;
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

/** The text of `config.alloy`. It validates as it is. */
export function generateMachineConfig(options: MachineConfigOptions): string {
  const { logFiles = MACHINE_LOG_FILES } = options;
  const logs = [
    options.hasJournal ? journalSection() : "",
    logFiles.length > 0 ? filesSection(logFiles) : "",
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
  scrapeInterval = "5s",
}: MachineConfigOptions): string {
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
		url = ${quote(metricsUrl)}

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

function filesSection(logFiles: readonly string[]): string {
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

// Works on lines on their way. Here it only drops blank ones; stages that parse JSON,
// make labels or count matches would stand next to it.
loki.process "files" {
	forward_to = [loki.write.finch.receiver]

	stage.drop {
		expression          = "^\\\\s*$"
		drop_counter_reason = "blank"
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
