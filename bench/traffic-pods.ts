/** What cAdvisor says of a pod with one container: 45 series. */
import type { Random } from "./traffic-random.ts";
import { collect, NAMESPACES, SERVICES } from "./traffic-shape.ts";
import type { Add, Node, TrafficSeries } from "./traffic-shape.ts";

export const SERIES_PER_POD = 45;

export function podSeries(node: Node, i: number, random: Random, target: number): TrafficSeries[] {
  const namespace = NAMESPACES[i % NAMESPACES.length]!;
  const service = SERVICES[(i * 7) % SERVICES.length]!;
  const pod = `${service}-${random.hex(9)}-${random.hex(5)}`;
  const slice = `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${[8, 4, 4, 4, 12].map((n) => random.hex(n)).join("_")}.slice`;
  const containerId = random.hex(64);
  const shared = {
    job: "kubelet",
    metrics_path: "/metrics/cadvisor",
    instance: `${node.name}:10250`,
    cluster: `prod-${node.region}`,
    env: "production",
    namespace,
    pod,
    node: node.name,
  };
  const container = {
    ...shared,
    container: service,
    image: `registry.example.com/${namespace}/${service}:v${i % 3}.${i % 17}.${i % 7}`,
    id: `${slice}/cri-containerd-${containerId}.scope`,
    name: containerId,
  };
  const sandbox = {
    ...shared,
    image: "registry.example.com/pause:3.9",
    id: slice,
    name: random.hex(64),
    interface: "eth0",
  };
  const busy = random.uniform() < 0.3 ? 3 : 0.2;
  return collect(
    target,
    {},
    (add) => {
      const ofContainer: Add = (name, extra, ...rest) =>
        add(`container_${name}`, { ...container, ...extra }, ...rest);
      addContainerUse(ofContainer, random, busy);
      for (const what of ["receive_bytes", "transmit_bytes", "receive_packets", "transmit_packets"])
        add(
          `container_network_${what}_total`,
          sandbox,
          "flow",
          random.below(1e10),
          (what.endsWith("bytes") ? 3e4 : 30) * busy,
          1,
        );
      for (const what of [
        "receive_errors",
        "transmit_errors",
        "receive_packets_dropped",
        "transmit_packets_dropped",
      ])
        add(`container_network_${what}_total`, sandbox, "constant");
      addContainerLimits(ofContainer, random, i);
    },
    SERIES_PER_POD,
  );
}

function addContainerUse(add: Add, random: Random, busy: number): void {
  add(
    "cpu_usage_seconds_total",
    { cpu: "total" },
    "nanos",
    random.uniform() * 1e5,
    0.13 * busy,
    0.3,
  );
  add("cpu_user_seconds_total", {}, "seconds", random.below(1e6) / 100, 0.09 * busy, 0.3);
  add("cpu_system_seconds_total", {}, "seconds", random.below(1e6) / 100, 0.03 * busy, 0.3);
  add("cpu_cfs_periods_total", {}, "flow", random.below(1e6), 9 * busy, 1);
  add("cpu_cfs_throttled_periods_total", {}, "events", random.below(1e4), 0.6 * busy);
  add(
    "cpu_cfs_throttled_seconds_total",
    {},
    busy > 1 ? "nanos" : "constant",
    random.uniform() * 1e3,
    0.003,
    0.3,
  );
  for (const name of ["usage_bytes", "working_set_bytes", "rss", "cache"])
    add(`memory_${name}`, {}, "pages", random.below(3e5) * 4096, 40 * busy);
  add("memory_mapped_file", {}, "constant", random.below(3e4) * 4096);
  add("memory_swap", {}, "constant");
  add("memory_failcnt", {}, "constant");
  add("memory_max_usage_bytes", {}, "constant", random.below(4e5) * 4096);
  for (const scope of ["container", "hierarchy"]) {
    add(
      "memory_failures_total",
      { failure_type: "pgfault", scope },
      "flow",
      random.below(1e6),
      200 * busy,
      1,
    );
    add(
      "memory_failures_total",
      { failure_type: "pgmajfault", scope },
      "constant",
      random.below(100),
    );
  }
  for (const name of ["reads_total", "reads_bytes_total"])
    add(`fs_${name}`, { device: "/dev/nvme1n1" }, "constant", random.below(1e6) * 4096);
  add("fs_writes_total", { device: "/dev/nvme1n1" }, "flow", random.below(1e6), 2 * busy, 1);
  add(
    "fs_writes_bytes_total",
    { device: "/dev/nvme1n1" },
    "flow",
    random.below(1e6) * 4096,
    8192 * busy,
    4096,
  );
  add("processes", {}, "walk", 3, 0.2, 40);
  add("threads", {}, "walk", 20, 0.5, 400);
  add("sockets", {}, "walk", 14, 1.5, 400);
  add("file_descriptors", {}, "walk", 60, 2, 2000);
}

function addContainerLimits(add: Add, random: Random, i: number): void {
  add("start_time_seconds", {}, "constant", 1.7e9 + i * 977);
  add("last_seen", {}, "tick");
  for (const name of [
    "cpu_period",
    "cpu_quota",
    "cpu_shares",
    "memory_limit_bytes",
    "memory_reservation_limit_bytes",
    "memory_swap_limit_bytes",
  ])
    add(`spec_${name}`, {}, "constant", 1024 * (1 + random.below(4000)));
  add("oom_events_total", {}, "constant");
  add("ulimits_soft", { ulimit: "max_open_files" }, "constant", 1_048_576);
  for (const state of ["running", "sleeping", "stopped", "uninterruptible", "iowaiting"])
    add("tasks_state", { state }, "constant");
}
