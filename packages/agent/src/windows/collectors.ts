/**
 * Collectors of `prometheus.exporter.windows` by name: what each asks Windows for, and the metrics it makes of the answers, named as windows_exporter names
 * them. They touch nothing themselves, so that recorded answers test them.
 */
import type { WindowsCollector, WindowsSettings } from "./collector.ts";
import {
  cpuCollector,
  logicalDiskCollector,
  netCollector,
  physicalDiskCollector,
} from "./device-collectors.ts";
import {
  memoryCollector,
  osCollector,
  serviceCollector,
  systemCollector,
  timeCollector,
} from "./system-collectors.ts";

export const COLLECTORS: Readonly<Record<string, (settings: WindowsSettings) => WindowsCollector>> =
  {
    cpu: cpuCollector,
    logical_disk: logicalDiskCollector,
    memory: memoryCollector,
    net: netCollector,
    os: osCollector,
    physical_disk: physicalDiskCollector,
    service: serviceCollector,
    system: systemCollector,
    time: timeCollector,
  };
