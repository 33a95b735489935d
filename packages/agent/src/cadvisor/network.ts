/** Network interfaces of a container, as the kernel tells of them in the files of one of its processes; those of the machine for the root group. */
import { fields, type Machine } from "../unix/collector.ts";
import type { ShownContainer } from "./containers.ts";

export interface NetworkDevice {
  readonly name: string;
  /** Name between `container_network_` and `_total`, help, value. */
  readonly counters: readonly (readonly [string, string, number])[];
}

/** Interfaces that say nothing of a container: its own loopback, and ends of those of others. */
const IGNORED = /^(lo|veth|docker|nerdctl)/;

/** Where in a line of `/proc/net/dev` a counter is. */
const COUNTERS: readonly (readonly [at: number, name: string, help: string])[] = [
  [0, "receive_bytes", "Cumulative count of bytes received"],
  [1, "receive_packets", "Cumulative count of packets received"],
  [3, "receive_packets_dropped", "Cumulative count of packets dropped while receiving"],
  [2, "receive_errors", "Cumulative count of errors encountered while receiving"],
  [8, "transmit_bytes", "Cumulative count of bytes transmitted"],
  [9, "transmit_packets", "Cumulative count of packets transmitted"],
  [11, "transmit_packets_dropped", "Cumulative count of packets dropped while transmitting"],
  [10, "transmit_errors", "Cumulative count of errors encountered while transmitting"],
];

export function networkDevices(
  machine: Machine,
  container: ShownContainer,
): readonly NetworkDevice[] {
  const pid = container.group === "/" ? 1 : container.networkPid;
  if (pid === undefined || pid === 0) return [];
  const process = `${machine.paths.proc}/${pid}`;
  // Where the agent sees other processes than the engine, the number is that of a stranger.
  const id = container.group.split("/").at(-1)!;
  const isOwn =
    container.group === "/" || machine.attribute(`${process}/cgroup`)?.includes(id) === true;
  return isOwn ? readDevices(machine.attribute(`${process}/net/dev`) ?? "") : [];
}

function readDevices(text: string): NetworkDevice[] {
  return text.split("\n").flatMap((line) => {
    const at = line.indexOf(":");
    const name = line.slice(0, Math.max(0, at)).trim();
    if (name === "" || IGNORED.test(name)) return [];
    const values = fields(line.slice(at + 1));
    const counters = COUNTERS.map(
      ([index, counter, help]) => [counter, help, Number(values[index])] as const,
    );
    return [{ name, counters }];
  });
}
