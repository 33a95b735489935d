/** IP Virtual Server, from `/proc/net/ip_vs` and `/proc/net/ip_vs_stats`: traffic in all, and the state of each backend. */
import { fields, mustRead, noData, stateless, type Collector } from "./collector.ts";
import { counter, gauge } from "./family.ts";

/** Labels of a backend that can be asked for, in node_exporter's order. */
export const IPVS_LABELS = [
  "local_address",
  "local_port",
  "remote_address",
  "remote_port",
  "proto",
  "local_mark",
] as const;
export type IpvsLabel = (typeof IPVS_LABELS)[number];

const TOTALS: readonly (readonly [name: string, help: string])[] = [
  ["connections_total", "The total number of connections made."],
  ["incoming_packets_total", "The total number of incoming packets."],
  ["outgoing_packets_total", "The total number of outgoing packets."],
  ["incoming_bytes_total", "The total amount of incoming data."],
  ["outgoing_bytes_total", "The total amount of outgoing data."],
];

/** Backends that differ only in labels that are not asked for are summed up. */
export function makeIpvs(options: { readonly backendLabels: readonly string[] }): Collector {
  const shown = IPVS_LABELS.filter((label) => options.backendLabels.includes(label)).toSorted();
  return stateless((machine) => {
    const { proc } = machine.paths;
    const lines = mustRead(machine, `${proc}/net/ip_vs_stats`).split("\n");
    // Two lines of headings, then the sums, in hexadecimal.
    const sums = fields(lines[2] ?? "").map((word) => Number.parseInt(word, 16));
    if (sums.length !== TOTALS.length)
      throw noData(`${proc}/net/ip_vs_stats has no line of ${TOTALS.length} sums`);
    const active = gauge(
      "node_ipvs_backend_connections_active",
      "The current active connections by local and remote address.",
    );
    const inactive = gauge(
      "node_ipvs_backend_connections_inactive",
      "The current inactive connections by local and remote address.",
    );
    const weight = gauge(
      "node_ipvs_backend_weight",
      "The current backend weight by local and remote address.",
    );
    const summed = new Map<
      string,
      { readonly labels: string[]; values: [number, number, number] }
    >();
    for (const backend of parseBackends(mustRead(machine, `${proc}/net/ip_vs`))) {
      const labels = shown.flatMap((label) => [label, backend.labels[label]]);
      const key = labels.join("\u0000");
      const sum = summed.get(key)?.values ?? [0, 0, 0];
      const [a, b, c] = backend.values;
      summed.set(key, { labels, values: [sum[0] + a, sum[1] + b, sum[2] + c] });
    }
    for (const { labels, values } of summed.values()) {
      weight.add(values[0], ...labels);
      active.add(values[1], ...labels);
      inactive.add(values[2], ...labels);
    }
    return [
      ...TOTALS.map(([name, help], index) => counter(`node_ipvs_${name}`, help).add(sums[index]!)),
      active,
      inactive,
      weight,
    ];
  });
}

interface Backend {
  readonly labels: Readonly<Record<IpvsLabel, string>>;
  /** Weight, active and inactive connections. */
  readonly values: readonly [number, number, number];
}

/** A line for each service, and one that begins with `->` for each of its backends below. */
function parseBackends(text: string): readonly Backend[] {
  const backends: Backend[] = [];
  let service = { proto: "", local_address: "", local_port: "0", local_mark: "" };
  for (const line of text.split("\n")) {
    const [first = "", second = "", , weight, active, inactive] = fields(line);
    if (first === "TCP" || first === "UDP") {
      const local = parseEndpoint(second);
      service = {
        proto: first,
        local_address: local.address,
        local_port: local.port,
        local_mark: "",
      };
    } else if (first === "FWM") {
      service = { proto: first, local_address: "", local_port: "0", local_mark: second };
    } else if (first === "->" && inactive !== undefined && !second.startsWith("Remote")) {
      const remote = parseEndpoint(second);
      backends.push({
        labels: { ...service, remote_address: remote.address, remote_port: remote.port },
        values: [Number(weight), Number(active), Number(inactive)],
      });
    }
  }
  return backends;
}

/** `C0A80016:0CEA`, or an IPv6 address in brackets before the port. */
function parseEndpoint(text: string): { readonly address: string; readonly port: string } {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, colon);
  const port = String(Number.parseInt(text.slice(colon + 1), 16));
  if (host.startsWith("[")) {
    // The URL parser shortens an address as Go prints it.
    const shortened = URL.parse(`http://${host}/`)?.hostname.slice(1, -1);
    return { address: shortened ?? host, port };
  }
  const octets = host.match(/../g)?.map((pair) => Number.parseInt(pair, 16)) ?? [];
  return { address: octets.join("."), port };
}
