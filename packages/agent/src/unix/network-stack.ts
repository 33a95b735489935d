/** Collectors of the kernel's network stack: protocol counters, sockets, queues, neighbours, connection tracking. */
import { fields, mustRead, noData, stateless, type Collector } from "./collector.ts";
import { deviceFilter } from "./device-filter.ts";
import { counter, gauge, untyped, type Family } from "./family.ts";

/** `/proc/net/{netstat,snmp,snmp6}`, those whose `Protocol_Field` matches. */
export function makeNetstat(options: { readonly fields: string }): Collector {
  const shows = deviceFilter({ include: options.fields });
  return stateless((machine) => {
    const families: Family[] = [];
    const add = (protocol: string, field: string, value: number) => {
      const key = `${protocol}_${field}`;
      if (shows(key))
        families.push(untyped(`node_netstat_${key}`, `Statistic ${protocol}${field}.`).add(value));
    };
    for (const file of ["netstat", "snmp"]) {
      // Pairs of lines: `Tcp: RtoAlgorithm RtoMin …`, `Tcp: 1 200 …`.
      const lines = mustRead(machine, `${machine.paths.proc}/net/${file}`).split("\n");
      for (let i = 0; i + 1 < lines.length; i += 2) {
        const names = fields(lines[i]!);
        const values = fields(lines[i + 1]!);
        const protocol = names[0]!.slice(0, -1);
        for (let field = 1; field < names.length; field++)
          add(protocol, names[field]!, Number(values[field]));
      }
    }
    for (const line of machine.read(`${machine.paths.proc}/net/snmp6`)?.split("\n") ?? []) {
      const [name, value] = fields(line);
      const six = name?.indexOf("6") ?? -1;
      if (name !== undefined && value !== undefined && six >= 0)
        add(name.slice(0, six + 1), name.slice(six + 1), Number(value));
    }
    return families;
  });
}

export const sockstat: Collector = stateless((machine) => {
  const families: Family[] = [];
  for (const file of ["sockstat", "sockstat6"]) {
    for (const line of machine.read(`${machine.paths.proc}/net/${file}`)?.split("\n") ?? []) {
      const words = fields(line);
      const protocol = words[0]?.slice(0, -1);
      if (protocol === undefined) continue;
      for (let i = 1; i + 1 < words.length; i += 2) {
        const state = words[i]!;
        const value = Number(words[i + 1]);
        if (protocol === "sockets") {
          families.push(
            gauge("node_sockstat_sockets_used", "Number of IPv4 sockets in use.").add(value),
          );
          continue;
        }
        families.push(socketGauge(protocol, state, value));
        if (state === "mem")
          families.push(socketGauge(protocol, "mem_bytes", value * machine.pageBytes));
      }
    }
  }
  return families;
});

function socketGauge(protocol: string, state: string, value: number): Family {
  return gauge(
    `node_sockstat_${protocol}_${state}`,
    `Number of ${protocol} sockets in state ${state}.`,
  ).add(value);
}

/** `/proc/net/softnet_stat`: hexadecimal columns, a line for each CPU. */
export const softnet: Collector = stateless((machine) => {
  const columns: readonly { readonly index: number; readonly family: Family }[] = [
    { index: 0, family: counter("node_softnet_processed_total", "Number of processed packets") },
    { index: 1, family: counter("node_softnet_dropped_total", "Number of dropped packets") },
    {
      index: 2,
      family: counter(
        "node_softnet_times_squeezed_total",
        "Number of times processing packets ran out of quota",
      ),
    },
    {
      index: 8,
      family: counter(
        "node_softnet_cpu_collision_total",
        "Number of collision occur while obtaining device lock while transmitting",
      ),
    },
    {
      index: 9,
      family: counter(
        "node_softnet_received_rps_total",
        "Number of times cpu woken up received_rps",
      ),
    },
    {
      index: 10,
      family: counter(
        "node_softnet_flow_limit_count_total",
        "Number of times flow limit has been reached",
      ),
    },
    { index: 11, family: gauge("node_softnet_backlog_len", "Softnet backlog status") },
  ];
  const lines = mustRead(machine, `${machine.paths.proc}/net/softnet_stat`).split("\n");
  for (const [number, line] of lines.entries()) {
    const words = fields(line);
    if (words.length === 0) continue;
    // Since Linux 5.10 the line tells its CPU; before, lines were counted.
    const cpu = words.length >= 13 ? Number.parseInt(words[12]!, 16) : number;
    for (const { index, family } of columns)
      family.add(Number.parseInt(words[index] ?? "0", 16), "cpu", String(cpu));
  }
  return columns.map(({ family }) => family);
});

export const udpQueues: Collector = stateless((machine) => {
  const family = gauge(
    "node_udp_queues",
    "Number of allocated memory in the kernel for UDP datagrams in bytes.",
  );
  for (const [file, ip] of [
    ["udp", "v4"],
    ["udp6", "v6"],
  ] as const) {
    const text = machine.read(`${machine.paths.proc}/net/${file}`);
    if (text === undefined) continue;
    let sent = 0;
    let received = 0;
    for (const line of text.split("\n").slice(1)) {
      const queues = fields(line)[4];
      if (queues === undefined) continue;
      const colon = queues.indexOf(":");
      sent += Number.parseInt(queues.slice(0, colon), 16);
      received += Number.parseInt(queues.slice(colon + 1), 16);
    }
    family.add(sent, "ip", ip, "queue", "tx").add(received, "ip", ip, "queue", "rx");
  }
  if (family.values.length === 0)
    throw noData(`${machine.paths.proc}/net has neither udp nor udp6`);
  return [family];
});

export function makeArp(options: {
  readonly deviceInclude: string | undefined;
  readonly deviceExclude: string | undefined;
}): Collector {
  const shows = deviceFilter({ include: options.deviceInclude, exclude: options.deviceExclude });
  return stateless((machine) => {
    const counts = new Map<string, number>();
    for (const line of mustRead(machine, `${machine.paths.proc}/net/arp`).split("\n").slice(1)) {
      const device = fields(line)[5];
      if (device !== undefined && shows(device)) counts.set(device, (counts.get(device) ?? 0) + 1);
    }
    const family = gauge("node_arp_entries", "ARP entries by device");
    for (const [device, count] of counts) family.add(count, "device", device);
    return [family];
  });
}

const CONNTRACK_COLUMNS: readonly {
  readonly column: string;
  readonly name: string;
  readonly help: string;
}[] = [
  { column: "found", name: "found", help: "Number of searched entries which were successful." },
  { column: "invalid", name: "invalid", help: "Number of packets seen which can not be tracked." },
  {
    column: "ignore",
    name: "ignore",
    help: "Number of packets seen which are already connected to a conntrack entry.",
  },
  { column: "insert", name: "insert", help: "Number of entries inserted into the list." },
  {
    column: "insert_failed",
    name: "insert_failed",
    help: "Number of entries for which list insertion was attempted but failed.",
  },
  { column: "drop", name: "drop", help: "Number of packets dropped due to conntrack failure." },
  {
    column: "early_drop",
    name: "early_drop",
    help: "Number of dropped conntrack entries to make room for new ones, if maximum table size was reached.",
  },
  {
    column: "search_restart",
    name: "search_restart",
    help: "Number of conntrack table lookups which had to be restarted due to hashtable resizes.",
  },
];

/** Connection tracking: the table's size, and its counters summed over the CPUs. */
export const conntrack: Collector = stateless((machine) => {
  const { proc } = machine.paths;
  const entries = Number(mustRead(machine, `${proc}/sys/net/netfilter/nf_conntrack_count`));
  const limit = Number(mustRead(machine, `${proc}/sys/net/netfilter/nf_conntrack_max`));
  const [header = "", ...lines] = mustRead(machine, `${proc}/net/stat/nf_conntrack`)
    .trim()
    .split("\n");
  const names = fields(header);
  const rows = lines.map(fields);
  const families = CONNTRACK_COLUMNS.map(({ column, name, help }) => {
    const index = names.indexOf(column);
    const sum = rows.reduce((total, row) => total + Number.parseInt(row[index] ?? "0", 16), 0);
    return gauge(`node_nf_conntrack_stat_${name}`, help).add(sum);
  });
  return [
    gauge(
      "node_nf_conntrack_entries",
      "Number of currently allocated flow entries for connection tracking.",
    ).add(entries),
    gauge("node_nf_conntrack_entries_limit", "Maximum size of connection tracking table.").add(
      limit,
    ),
    ...families,
  ];
});

/** Interfaces bonded into one, and how many of them have a link. */
export const bonding: Collector = stateless((machine) => {
  const root = `${machine.paths.sys}/class/net`;
  const slaves = gauge("node_bonding_slaves", "Number of configured slaves per bonding interface.");
  const active = gauge("node_bonding_active", "Number of active slaves per bonding interface.");
  for (const master of fields(mustRead(machine, `${root}/bonding_masters`).trim())) {
    const members = fields(mustRead(machine, `${root}/${master}/bonding/slaves`).trim());
    const status = (member: string, prefix: string) =>
      machine.attribute(`${root}/${master}/${prefix}_${member}/bonding_slave/mii_status`);
    slaves.add(members.length, "master", master);
    active.add(
      members.filter((member) => (status(member, "lower") ?? status(member, "slave")) === "up")
        .length,
      "master",
      master,
    );
  }
  return [slaves, active];
});
