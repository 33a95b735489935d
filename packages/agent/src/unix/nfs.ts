/** The NFS client (`/proc/net/rpc/nfs`) and the NFS server (`/proc/net/rpc/nfsd`): packets, calls and procedures by protocol version. */
import { fields, mustRead, stateless, type Collector, type Machine } from "./collector.ts";
import { counter, gauge, type Family } from "./family.ts";

/** Procedures of each version in the order of their numbers, as node_exporter calls them. */
const VERSION_2 =
  "Null GetAttr SetAttr Root Lookup ReadLink Read WrCache Write Create Remove Rename Link SymLink MkDir RmDir ReadDir FsStat".split(
    " ",
  );
const VERSION_3 = (
  "Null GetAttr SetAttr Lookup Access ReadLink Read Write Create MkDir SymLink MkNod Remove RmDir Rename Link ReadDir ReadDirPlus " +
  "FsStat FsInfo PathConf Commit"
).split(" ");
const CLIENT_VERSION_4 = (
  "Null Read Write Commit Open OpenConfirm OpenNoattr OpenDowngrade Close Setattr FsInfo Renew SetClientID SetClientIDConfirm Lock " +
  "Lockt Locku Access Getattr Lookup LookupRoot Remove Rename Link Symlink Create Pathconf StatFs ReadLink ReadDir ServerCaps " +
  "DelegReturn GetACL SetACL FsLocations ReleaseLockowner Secinfo FsidPresent ExchangeID CreateSession DestroySession Sequence " +
  "GetLeaseTime ReclaimComplete GetDeviceInfo LayoutGet LayoutCommit LayoutReturn SecinfoNoName TestStateID FreeStateID " +
  "GetDeviceList BindConnToSession DestroyClientID Seek Allocate DeAllocate LayoutStats Clone"
).split(" ");
/** Operations 3 to 39 of a server's compounds; `_` stands for those node_exporter leaves out. */
const SERVER_VERSION_4 = (
  "_ _ _ Access Close Commit Create DelegPurge DelegReturn GetAttr GetFH Link Lock Lockt Locku Lookup LookupRoot Nverify Open OpenAttr " +
  "OpenConfirm OpenDgrd PutFH _ _ Read ReadDir ReadLink Remove Rename Renew RestoreFH SaveFH SecInfo SetAttr SetClientID " +
  "SetClientIDConfirm Verify Write RelLockOwner"
).split(" ");

/** The numbers of each line by the word it begins with. */
function readLines(machine: Machine, path: string): ReadonlyMap<string, readonly number[]> {
  const lines = new Map<string, readonly number[]>();
  for (const line of mustRead(machine, path).split("\n")) {
    const [word, ...values] = fields(line);
    if (word !== undefined) lines.set(word, values.map(Number));
  }
  return lines;
}

function addProcedures(
  family: Family,
  proto: string,
  about: { readonly names: readonly string[]; readonly values: readonly number[] | undefined },
): void {
  // The first number says how many follow.
  for (const [index, method] of about.names.entries())
    if (method !== "_")
      family.add(about.values?.[index + 1] ?? 0, "method", method, "proto", proto);
}

export const nfs: Collector = stateless((machine) => {
  const lines = readLines(machine, `${machine.paths.proc}/net/rpc/nfs`);
  const [, udp = 0, tcp = 0, connections = 0] = lines.get("net") ?? [];
  const [calls = 0, retransmissions = 0, refreshes = 0] = lines.get("rpc") ?? [];
  const requests = counter("node_nfs_requests_total", "Number of NFS procedures invoked.");
  addProcedures(requests, "2", { names: VERSION_2, values: lines.get("proc2") });
  addProcedures(requests, "3", { names: VERSION_3, values: lines.get("proc3") });
  addProcedures(requests, "4", { names: CLIENT_VERSION_4, values: lines.get("proc4") });
  return [
    counter(
      "node_nfs_packets_total",
      "Total NFSd network packets (sent+received) by protocol type.",
    )
      .add(udp, "protocol", "udp")
      .add(tcp, "protocol", "tcp"),
    counter("node_nfs_connections_total", "Total number of NFSd TCP connections.").add(connections),
    counter("node_nfs_rpcs_total", "Total number of RPCs performed.").add(calls),
    counter("node_nfs_rpc_retransmissions_total", "Number of RPC transmissions performed.").add(
      retransmissions,
    ),
    counter(
      "node_nfs_rpc_authentication_refreshes_total",
      "Number of RPC authentication refreshes performed.",
    ).add(refreshes),
    requests,
  ];
});

/** The server's single figures: the line, the place in it, and what it is called. */
const SERVER_FIGURES: readonly {
  readonly line: string;
  readonly at: number;
  readonly name: string;
  readonly help: string;
}[] = [
  {
    line: "rc",
    at: 0,
    name: "reply_cache_hits_total",
    help: "Total number of NFSd Reply Cache hits (client lost server response).",
  },
  {
    line: "rc",
    at: 1,
    name: "reply_cache_misses_total",
    help: "Total number of NFSd Reply Cache an operation that requires caching (idempotent).",
  },
  {
    line: "rc",
    at: 2,
    name: "reply_cache_nocache_total",
    help: "Total number of NFSd Reply Cache non-idempotent operations (rename/delete/…).",
  },
  {
    line: "fh",
    at: 0,
    name: "file_handles_stale_total",
    help: "Total number of NFSd stale file handles",
  },
  { line: "io", at: 0, name: "disk_bytes_read_total", help: "Total NFSd bytes read." },
  { line: "io", at: 1, name: "disk_bytes_written_total", help: "Total NFSd bytes written." },
  {
    line: "th",
    at: 0,
    name: "server_threads",
    help: "Total number of NFSd kernel threads that are running.",
  },
  {
    line: "ra",
    at: 0,
    name: "read_ahead_cache_size_blocks",
    help: "How large the read ahead cache is in blocks.",
  },
  {
    line: "ra",
    at: 11,
    name: "read_ahead_cache_not_found_total",
    help: "Total number of NFSd read ahead cache not found.",
  },
  { line: "net", at: 3, name: "connections_total", help: "Total number of NFSd TCP connections." },
  { line: "rpc", at: 0, name: "server_rpcs_total", help: "Total number of NFSd RPCs." },
];

export const nfsd: Collector = stateless((machine) => {
  const lines = readLines(machine, `${machine.paths.proc}/net/rpc/nfsd`);
  const of = (line: string, at: number) => lines.get(line)?.[at] ?? 0;
  const requests = counter(
    "node_nfsd_requests_total",
    "Total number NFSd Requests by method and protocol.",
  );
  // Procedure 0 does nothing, and node_exporter leaves it out here.
  const withoutNull = (names: readonly string[]) => ["_", ...names.slice(1)];
  addProcedures(requests, "2", { names: withoutNull(VERSION_2), values: lines.get("proc2") });
  addProcedures(requests, "3", { names: withoutNull(VERSION_3), values: lines.get("proc3") });
  addProcedures(requests, "4", { names: SERVER_VERSION_4, values: lines.get("proc4ops") });
  requests.add(of("wdeleg_getattr", 0), "method", "WdelegGetattr", "proto", "4");
  return [
    ...SERVER_FIGURES.map(({ line, at, name, help }) =>
      (name.endsWith("_total") ? counter : gauge)(`node_nfsd_${name}`, help).add(of(line, at)),
    ),
    counter(
      "node_nfsd_packets_total",
      "Total NFSd network packets (sent+received) by protocol type.",
    )
      .add(of("net", 1), "proto", "udp")
      .add(of("net", 2), "proto", "tcp"),
    counter("node_nfsd_rpc_errors_total", "Total number of NFSd RPC errors by error type.")
      .add(of("rpc", 2), "error", "fmt")
      .add(of("rpc", 3), "error", "auth")
      .add(of("rpc", 4), "error", "cInt"),
    requests,
  ];
});
