/** What a service with request counters and histograms says of itself: 60 series. */
import type { Random } from "./traffic-random.ts";
import { BUCKET_BOUNDS, BUCKET_SHARES, collect, NAMESPACES, SERVICES } from "./traffic-shape.ts";
import type { Add, Node, TrafficSeries } from "./traffic-shape.ts";

export const SERIES_PER_APP = 60;

export function appSeries(node: Node, i: number, random: Random, target: number): TrafficSeries[] {
  const namespace = NAMESPACES[i % 5]!;
  const service = SERVICES[i % SERVICES.length]!;
  const base = {
    job: `${namespace}/${service}`,
    instance: `10.244.${(i >> 8) & 255}.${i & 255}:8080`,
    cluster: `prod-${node.region}`,
    region: node.region,
    env: "production",
    namespace,
    pod: `${service}-${random.hex(9)}-${random.hex(5)}`,
    node: node.name,
    service,
    version: `v${i % 3}.${i % 17}.${i % 7}`,
  };
  const load = random.uniform() < 0.3 ? 8 : 0.5;
  return collect(
    target,
    base,
    (add) => {
      addRequests(add, random, load);
      add("go_goroutines", {}, "walk", 40, 3, 5000);
      add("go_threads", {}, "constant", 14);
      for (const name of [
        "go_memstats_alloc_bytes",
        "go_memstats_heap_inuse_bytes",
        "process_resident_memory_bytes",
      ])
        add(name, {}, "pages", random.below(5e4) * 4096, 60);
      add("process_cpu_seconds_total", {}, "seconds", random.below(1e6) / 100, 0.007 * load, 0.3);
      add("process_start_time_seconds", {}, "constant", 1.7e9 + random.uniform());
      add("go_info", { go_version: "go1.22.5" }, "constant", 1);
      for (const quantile of ["0.5", "1"])
        add("go_gc_duration_seconds", { quantile }, "held", 3e-5 * (1 + random.uniform()), 0.12);
      add("up", {}, "constant", 1);
      add("scrape_duration_seconds", {}, "duration");
    },
    SERIES_PER_APP,
  );
}

function addRequests(add: Add, random: Random, load: number): void {
  const handlers = [
    "/api/v1/items",
    "/api/v1/items/:id",
    "/api/v1/orders",
    "/healthz",
    "/api/v1/users/:id/profile",
  ];
  const codes: readonly [string, number][] = [
    ["200", 1],
    ["404", 0.02],
    ["429", 0.003],
    ["500", 0.004],
  ];
  for (const [h, handler] of handlers.entries()) {
    for (const [code, share] of codes)
      add(
        "http_requests_total",
        { handler, method: h === 2 ? "POST" : "GET", code },
        "events",
        random.below(1e6 * share),
        (load * 15 * share * (h + 1)) / 3,
      );
  }
  for (const handler of handlers.slice(0, 2)) {
    const labels = { handler, method: "GET" };
    const requests = random.below(1e6);
    for (const [k, le] of BUCKET_BOUNDS.entries())
      add(
        "http_request_duration_seconds_bucket",
        { ...labels, le },
        "bucket",
        Math.floor(requests * BUCKET_SHARES[k]!),
        load * 15,
        k,
      );
    add("http_request_duration_seconds_sum", labels, "sum", requests * 0.0621137);
    add("http_request_duration_seconds_count", labels, "count", requests);
  }
}
