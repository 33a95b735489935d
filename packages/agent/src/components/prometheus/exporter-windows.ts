/**
 * `prometheus.exporter.windows`: metrics of Windows, named as windows_exporter names them, asked for through PowerShell. On other systems it has no targets, so
 * that one configuration can serve machines of all kinds.
 */
import { describeError } from "@finch/runtime";
import { defineComponent, type ArgumentFault } from "../../component.ts";
import { block, notYet, optional, type ValuesOf } from "../../schema.ts";
import { deviceFilter } from "../../unix/device-filter.ts";
import { untilAborted } from "../../until-aborted.ts";
import { COLLECTORS } from "../../windows/collectors.ts";
import type { WindowsSettings } from "../../windows/collector.ts";
import { WindowsExporter } from "../../windows/exporter.ts";
import { POWERSHELL } from "../../windows/powershell.ts";
import { exporterTarget, runExporter, type ExporterExports } from "./exporter.ts";

const FILTER = {
  include: optional("string", "^.+$", "Names that are shown."),
  exclude: optional("string", "^$", "Names that are not."),
};

function filterBlock(doc: string) {
  return block(FILTER, { repeat: "one", doc });
}

function partsBlock(parts: readonly string[], doc: string) {
  return optional("list(string)", parts, `${doc}: ${parts.join(", ")}.`);
}

/** Blocks of collectors that are not built. */
const UNBUILT = {
  dfsr: notYet("block", "Distributed file systems."),
  dns: notYet("block", "The DNS server."),
  exchange: notYet("block", "Exchange."),
  filetime: notYet("block", "Times of files."),
  iis: notYet("block", "Internet Information Services."),
  mscluster: notYet("block", "Failover clusters."),
  mssql: notYet("block", "SQL Server."),
  netframework: notYet("block", "The .NET Framework."),
  network: notYet("block", "Network interfaces; deprecated in favour of net."),
  performancecounter: notYet("block", "Any performance counter."),
  printer: notYet("block", "Printers."),
  process: notYet("block", "Processes."),
  scheduled_task: notYet("block", "Scheduled tasks."),
  smb: notYet("block", "The SMB server."),
  smb_client: notYet("block", "The SMB client."),
  smtp: notYet("block", "The SMTP server."),
  tcp: notYet("block", "TCP connections."),
  text_file: notYet("block", "Metrics in files; deprecated in favour of textfile."),
  textfile: notYet("block", "Metrics in files."),
  update: notYet("block", "Updates of Windows."),
};

const LOGICAL_DISK_PARTS = ["metrics"];
const NET_PARTS = ["metrics", "nic_info"];
const TIME_PARTS = ["system_time", "clock_source"];

const ARGUMENTS = {
  enabled_collectors: optional(
    "list(string)",
    ["cpu", "logical_disk", "net", "os", "service", "system"],
    `Collectors to run: ${Object.keys(COLLECTORS).join(", ")}.`,
  ),
  logical_disk: block(
    { ...FILTER, enabled_list: partsBlock(LOGICAL_DISK_PARTS, "What is told of volumes") },
    { repeat: "one", doc: "Which volumes are shown." },
  ),
  net: block(
    { ...FILTER, enabled_list: partsBlock(NET_PARTS, "What is told of network interfaces") },
    { repeat: "one", doc: "Which network interfaces are shown." },
  ),
  physical_disk: filterBlock("Which disks are shown."),
  service: filterBlock("Which services are shown."),
  time: block(
    { enabled_list: partsBlock(TIME_PARTS, "What is told of the time") },
    { repeat: "one", doc: "What is told of the time." },
  ),
  ...UNBUILT,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

/** Names of windows_exporter's collectors that are not built. */
const OTHER_COLLECTORS = new Set(
  "ad adcs adfs cache container cpu_info cs dfsr dhcp diskdrive dns exchange filetime fsrmquota gpu hyperv iis license logon mscluster msmq mssql netframework network nps pagefile performancecounter printer process remote_fx scheduled_task smb smb_client smbclient smtp tcp teradici_pcoip terminal_services textfile thermalzone udp update vmware vmware_blast".split(
    " ",
  ),
);

export const exporterWindows = defineComponent<typeof ARGUMENTS, ExporterExports>({
  name: "prometheus.exporter.windows",
  stability: "generally-available",
  summary: "Exposes metrics of Windows, asked for through PowerShell.",
  arguments: ARGUMENTS,
  exports: { targets: "One target; none where this is not Windows." },
  check: findFault,
  async run(context, signal) {
    if (process.platform !== "win32") {
      context.setExports({ targets: [] });
      await untilAborted(signal, async () => {
        context.setHealth(
          "healthy",
          `runs on Windows only; there is nothing to scrape here (${process.platform})`,
        );
        await context.nextArguments(signal);
      });
      return;
    }
    await runExporter(
      context,
      (values) => {
        const { clock, log } = context;
        const exporter = new WindowsExporter(values.enabled_collectors, windowsSettings(values), {
          clock,
          log,
          program: POWERSHELL,
        });
        return Promise.resolve({
          targets: [exporterTarget(context, "windows")],
          scrape: ({ signal: scrapeSignal }) => exporter.scrape(scrapeSignal),
          [Symbol.asyncDispose]: () => Promise.resolve(exporter[Symbol.dispose]()),
        });
      },
      signal,
    );
  },
});

/** What collectors are told, of arguments that have passed the check. */
export function windowsSettings(values: Arguments): WindowsSettings {
  return {
    logicalDisk: deviceFilter(values.logical_disk),
    physicalDisk: deviceFilter(values.physical_disk),
    nic: deviceFilter(values.net),
    service: deviceFilter(values.service),
    netParts: values.net.enabled_list,
    timeParts: values.time.enabled_list,
  };
}

function findFault(values: Arguments): ArgumentFault | undefined {
  for (const name of values.enabled_collectors) {
    if (name in COLLECTORS) continue;
    const message = OTHER_COLLECTORS.has(name)
      ? `not supported yet: collector ${name}`
      : `unknown collector ${JSON.stringify(name)}; there are ${Object.keys(COLLECTORS).join(", ")}`;
    return { at: "enabled_collectors", message };
  }
  const parts = [
    ["logical_disk", values.logical_disk.enabled_list, LOGICAL_DISK_PARTS],
    ["net", values.net.enabled_list, NET_PARTS],
    ["time", values.time.enabled_list, TIME_PARTS],
  ] as const;
  for (const [name, list, known] of parts) {
    const other = list.find((part) => !known.includes(part));
    if (other !== undefined)
      return { at: `${name}.enabled_list`, message: `not supported yet: ${name} ${other}` };
  }
  for (const name of ["logical_disk", "net", "physical_disk", "service"] as const) {
    try {
      deviceFilter(values[name]);
    } catch (error) {
      return { at: name, message: describeError(error) };
    }
  }
  return undefined;
}
