/**
 * Which performance counters of Windows become which metrics: names, types and helps of windows_exporter. Counters are raw, as the classes
 * `Win32_PerfRawData_*` hold them.
 * @see https://github.com/prometheus-community/windows_exporter/tree/master/docs
 */

/** One counter of a class. */
export interface CounterRow {
  readonly type: "counter" | "gauge";
  /** Without `windows_` and the collector's name. */
  readonly name: string;
  readonly help: string;
  readonly property: string;
  /** What the raw value is multiplied with. */
  readonly scale: number;
  /** Second label of families that several counters share. */
  readonly variant: string | undefined;
}

/** Timers count in steps of 100 ns. */
const TICK_SECONDS = 1e-7;
const MEBIBYTE = 1024 * 1024;

/** One row of the tables below and of `memory-counters.ts`. */
export function counterRow(
  type: CounterRow["type"],
  name: string,
  property: string,
  help: string,
  more: { readonly scale?: number; readonly variant?: string } = {},
): CounterRow {
  return { type, name, help, property, scale: more.scale ?? 1, variant: more.variant };
}

export const CPU_COUNTERS: readonly CounterRow[] = [
  counterRow(
    "counter",
    "cstate_seconds_total",
    "PercentC1Time",
    "Time spent in low-power idle state",
    {
      scale: TICK_SECONDS,
      variant: "c1",
    },
  ),
  counterRow(
    "counter",
    "cstate_seconds_total",
    "PercentC2Time",
    "Time spent in low-power idle state",
    {
      scale: TICK_SECONDS,
      variant: "c2",
    },
  ),
  counterRow(
    "counter",
    "cstate_seconds_total",
    "PercentC3Time",
    "Time spent in low-power idle state",
    {
      scale: TICK_SECONDS,
      variant: "c3",
    },
  ),
  counterRow(
    "counter",
    "time_total",
    "PercentIdleTime",
    "Time that processor spent in different modes (dpc, idle, interrupt, privileged, user)",
    { scale: TICK_SECONDS, variant: "idle" },
  ),
  counterRow(
    "counter",
    "time_total",
    "PercentInterruptTime",
    "Time that processor spent in different modes (dpc, idle, interrupt, privileged, user)",
    { scale: TICK_SECONDS, variant: "interrupt" },
  ),
  counterRow(
    "counter",
    "time_total",
    "PercentDPCTime",
    "Time that processor spent in different modes (dpc, idle, interrupt, privileged, user)",
    { scale: TICK_SECONDS, variant: "dpc" },
  ),
  counterRow(
    "counter",
    "time_total",
    "PercentPrivilegedTime",
    "Time that processor spent in different modes (dpc, idle, interrupt, privileged, user)",
    { scale: TICK_SECONDS, variant: "privileged" },
  ),
  counterRow(
    "counter",
    "time_total",
    "PercentUserTime",
    "Time that processor spent in different modes (dpc, idle, interrupt, privileged, user)",
    { scale: TICK_SECONDS, variant: "user" },
  ),
  counterRow(
    "counter",
    "interrupts_total",
    "InterruptsPersec",
    "Total number of received and serviced hardware interrupts",
  ),
  counterRow(
    "counter",
    "dpcs_total",
    "DPCsQueuedPersec",
    "Total number of received and serviced deferred procedure calls (DPCs)",
  ),
  counterRow(
    "counter",
    "clock_interrupts_total",
    "ClockInterruptsPersec",
    "Total number of received and serviced clock tick interrupts",
  ),
  counterRow(
    "counter",
    "idle_break_events_total",
    "IdleBreakEventsPersec",
    "Total number of time processor was woken from idle",
  ),
  counterRow(
    "gauge",
    "parking_status",
    "ParkingStatus",
    "Parking Status represents whether a processor is parked or not",
  ),
  counterRow("gauge", "core_frequency_mhz", "ProcessorFrequency", "Core frequency in megahertz"),
  counterRow(
    "counter",
    "processor_performance_total",
    "PercentProcessorPerformance",
    "Processor Performance is the average performance of the processor while it is executing instructions, as a percentage of the nominal performance of the processor. On some processors, Processor Performance may exceed 100%",
  ),
  counterRow(
    "counter",
    "processor_utility_total",
    "PercentProcessorUtility",
    "Processor Utility represents is the amount of time the core spends executing instructions",
  ),
  counterRow(
    "counter",
    "processor_privileged_utility_total",
    "PercentPrivilegedUtility",
    "Processor Privileged Utility represents is the amount of time the core has spent executing instructions inside the kernel",
  ),
];

export const LOGICAL_DISK_COUNTERS: readonly CounterRow[] = [
  counterRow(
    "gauge",
    "requests_queued",
    "CurrentDiskQueueLength",
    "The number of requests queued to the disk (LogicalDisk.CurrentDiskQueueLength)",
  ),
  counterRow(
    "gauge",
    "avg_read_requests_queued",
    "AvgDiskReadQueueLength",
    "Average number of read requests that were queued for the selected disk during the sample interval (LogicalDisk.AvgDiskReadQueueLength)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "gauge",
    "avg_write_requests_queued",
    "AvgDiskWriteQueueLength",
    "Average number of write requests that were queued for the selected disk during the sample interval (LogicalDisk.AvgDiskWriteQueueLength)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "counter",
    "read_bytes_total",
    "DiskReadBytesPersec",
    "The number of bytes transferred from the disk during read operations (LogicalDisk.DiskReadBytesPerSec)",
  ),
  counterRow(
    "counter",
    "reads_total",
    "DiskReadsPersec",
    "The number of read operations on the disk (LogicalDisk.DiskReadsPerSec)",
  ),
  counterRow(
    "counter",
    "write_bytes_total",
    "DiskWriteBytesPersec",
    "The number of bytes transferred to the disk during write operations (LogicalDisk.DiskWriteBytesPerSec)",
  ),
  counterRow(
    "counter",
    "writes_total",
    "DiskWritesPersec",
    "The number of write operations on the disk (LogicalDisk.DiskWritesPerSec)",
  ),
  counterRow(
    "counter",
    "read_seconds_total",
    "PercentDiskReadTime",
    "Seconds that the disk was busy servicing read requests (LogicalDisk.PercentDiskReadTime)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "counter",
    "write_seconds_total",
    "PercentDiskWriteTime",
    "Seconds that the disk was busy servicing write requests (LogicalDisk.PercentDiskWriteTime)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "gauge",
    "free_bytes",
    "FreeMegabytes",
    "Free space in bytes, updates every 10-15 min (LogicalDisk.PercentFreeSpace)",
    { scale: MEBIBYTE },
  ),
  counterRow(
    "gauge",
    "size_bytes",
    "PercentFreeSpace_Base",
    "Total space in bytes, updates every 10-15 min (LogicalDisk.PercentFreeSpace_Base)",
    { scale: MEBIBYTE },
  ),
  counterRow(
    "counter",
    "idle_seconds_total",
    "PercentIdleTime",
    "Seconds that the disk was idle (LogicalDisk.PercentIdleTime)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "counter",
    "split_ios_total",
    "SplitIOPerSec",
    "The number of I/Os to the disk were split into multiple I/Os (LogicalDisk.SplitIOPerSec)",
  ),
  counterRow(
    "counter",
    "read_latency_seconds_total",
    "AvgDisksecPerRead",
    "Shows the average time, in seconds, of a read operation from the disk (LogicalDisk.AvgDiskSecPerRead)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "counter",
    "write_latency_seconds_total",
    "AvgDisksecPerWrite",
    "Shows the average time, in seconds, of a write operation to the disk (LogicalDisk.AvgDiskSecPerWrite)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "counter",
    "read_write_latency_seconds_total",
    "AvgDisksecPerTransfer",
    "Shows the time, in seconds, of the average disk transfer (LogicalDisk.AvgDiskSecPerTransfer)",
    { scale: TICK_SECONDS },
  ),
];

export const PHYSICAL_DISK_COUNTERS: readonly CounterRow[] = [
  counterRow(
    "gauge",
    "requests_queued",
    "CurrentDiskQueueLength",
    "The number of requests queued to the disk (PhysicalDisk.CurrentDiskQueueLength)",
  ),
  counterRow(
    "counter",
    "read_bytes_total",
    "DiskReadBytesPersec",
    "The number of bytes transferred from the disk during read operations (PhysicalDisk.DiskReadBytesPerSec)",
  ),
  counterRow(
    "counter",
    "reads_total",
    "DiskReadsPersec",
    "The number of read operations on the disk (PhysicalDisk.DiskReadsPerSec)",
  ),
  counterRow(
    "counter",
    "write_bytes_total",
    "DiskWriteBytesPersec",
    "The number of bytes transferred to the disk during write operations (PhysicalDisk.DiskWriteBytesPerSec)",
  ),
  counterRow(
    "counter",
    "writes_total",
    "DiskWritesPersec",
    "The number of write operations on the disk (PhysicalDisk.DiskWritesPerSec)",
  ),
  counterRow(
    "counter",
    "read_seconds_total",
    "PercentDiskReadTime",
    "Seconds that the disk was busy servicing read requests (PhysicalDisk.PercentDiskReadTime)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "counter",
    "write_seconds_total",
    "PercentDiskWriteTime",
    "Seconds that the disk was busy servicing write requests (PhysicalDisk.PercentDiskWriteTime)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "counter",
    "idle_seconds_total",
    "PercentIdleTime",
    "Seconds that the disk was idle (PhysicalDisk.PercentIdleTime)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "counter",
    "split_ios_total",
    "SplitIOPerSec",
    "The number of I/Os to the disk were split into multiple I/Os (PhysicalDisk.SplitIOPerSec)",
  ),
  counterRow(
    "counter",
    "read_latency_seconds_total",
    "AvgDisksecPerRead",
    "Shows the average time, in seconds, of a read operation from the disk (PhysicalDisk.AvgDiskSecPerRead)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "counter",
    "write_latency_seconds_total",
    "AvgDisksecPerWrite",
    "Shows the average time, in seconds, of a write operation to the disk (PhysicalDisk.AvgDiskSecPerWrite)",
    { scale: TICK_SECONDS },
  ),
  counterRow(
    "counter",
    "read_write_latency_seconds_total",
    "AvgDisksecPerTransfer",
    "Shows the time, in seconds, of the average disk transfer (PhysicalDisk.AvgDiskSecPerTransfer)",
    { scale: TICK_SECONDS },
  ),
];

export const NETWORK_COUNTERS: readonly CounterRow[] = [
  counterRow(
    "counter",
    "bytes_received_total",
    "BytesReceivedPersec",
    "(Network.BytesReceivedPerSec)",
  ),
  counterRow("counter", "bytes_sent_total", "BytesSentPersec", "(Network.BytesSentPerSec)"),
  counterRow("counter", "bytes_total", "BytesTotalPersec", "(Network.BytesTotalPerSec)"),
  counterRow(
    "gauge",
    "output_queue_length_packets",
    "OutputQueueLength",
    "(Network.OutputQueueLength)",
  ),
  counterRow(
    "counter",
    "packets_outbound_discarded_total",
    "PacketsOutboundDiscarded",
    "(Network.PacketsOutboundDiscarded)",
  ),
  counterRow(
    "counter",
    "packets_outbound_errors_total",
    "PacketsOutboundErrors",
    "(Network.PacketsOutboundErrors)",
  ),
  counterRow("counter", "packets_total", "PacketsPersec", "(Network.PacketsPerSec)"),
  counterRow(
    "counter",
    "packets_received_discarded_total",
    "PacketsReceivedDiscarded",
    "(Network.PacketsReceivedDiscarded)",
  ),
  counterRow(
    "counter",
    "packets_received_errors_total",
    "PacketsReceivedErrors",
    "(Network.PacketsReceivedErrors)",
  ),
  counterRow(
    "counter",
    "packets_received_total",
    "PacketsReceivedPersec",
    "(Network.PacketsReceivedPerSec)",
  ),
  counterRow(
    "counter",
    "packets_received_unknown_total",
    "PacketsReceivedUnknown",
    "(Network.PacketsReceivedUnknown)",
  ),
  counterRow("counter", "packets_sent_total", "PacketsSentPersec", "(Network.PacketsSentPerSec)"),
  counterRow("gauge", "current_bandwidth_bytes", "CurrentBandwidth", "(Network.CurrentBandwidth)", {
    scale: 1 / 8,
  }),
];

export const SYSTEM_COUNTERS: readonly CounterRow[] = [
  counterRow(
    "counter",
    "context_switches_total",
    "ContextSwitchesPersec",
    "Total number of context switches (WMI source: PerfOS_System.ContextSwitchesPersec)",
  ),
  counterRow(
    "counter",
    "exception_dispatches_total",
    "ExceptionDispatchesPersec",
    "Total number of exceptions dispatched (WMI source: PerfOS_System.ExceptionDispatchesPersec)",
  ),
  counterRow(
    "gauge",
    "processor_queue_length",
    "ProcessorQueueLength",
    "Length of processor queue (WMI source: PerfOS_System.ProcessorQueueLength)",
  ),
  counterRow(
    "gauge",
    "processes",
    "Processes",
    "Current number of processes (WMI source: PerfOS_System.Processes)",
  ),
  counterRow(
    "counter",
    "system_calls_total",
    "SystemCallsPersec",
    "Total number of system calls (WMI source: PerfOS_System.SystemCallsPersec)",
  ),
  counterRow(
    "gauge",
    "threads",
    "Threads",
    "Current number of threads (WMI source: PerfOS_System.Threads)",
  ),
];
