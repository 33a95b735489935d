/** Counts of processes and threads by state, from `/proc/<pid>/stat`. Off by default: its cost grows with the number of threads. */
import { mustRead, noData, type Collector, type Machine } from "./collector.ts";
import { gauge, type Family } from "./family.ts";

/** Reads between two pauses; without them a machine with thousands of threads would hold up everything else. */
const READS_AT_ONCE = 200;

export const processes: Collector = {
  collect: async (machine) => {
    const { proc } = machine.paths;
    const names = machine.list(proc);
    if (names === undefined) throw noData(`${proc} is not there`);
    const byState = new Map<string, number>();
    const threadsByState = new Map<string, number>();
    let pids = 0;
    let threads = 0;
    let reads = 0;
    for (const pid of names) {
      if (!isNumber(pid)) continue;
      const stat = readStat(machine, `${proc}/${pid}/stat`);
      // It ended meanwhile.
      if (stat === undefined) continue;
      pids++;
      threads += stat.threads;
      count(byState, stat.state);
      for (const tid of listTasks(machine, `${proc}/${pid}/task`)) {
        const state =
          tid === pid ? stat.state : readStat(machine, `${proc}/${pid}/task/${tid}/stat`)?.state;
        if (state !== undefined) count(threadsByState, state);
        if (++reads % READS_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const of = (name: string) => Number(mustRead(machine, `${proc}/sys/kernel/${name}`));
    return [
      gauge("node_processes_threads", "Allocated threads in system").add(threads),
      gauge("node_processes_max_threads", "Limit of threads in the system").add(of("threads-max")),
      gauge("node_processes_pids", "Number of PIDs").add(pids),
      gauge("node_processes_max_processes", "Number of max PIDs limit").add(of("pid_max")),
      stateFamily(
        gauge("node_processes_state", "Number of processes in each state."),
        "state",
        byState,
      ),
      stateFamily(
        gauge("node_processes_threads_state", "Number of threads in each state."),
        "thread_state",
        threadsByState,
      ),
    ];
  },
};

function isNumber(name: string): boolean {
  const code = name.charCodeAt(0);
  return code >= 48 && code <= 57;
}

/** State and number of threads. The name before them is in parentheses and may hold anything, parentheses too. */
function readStat(
  machine: Machine,
  path: string,
): { readonly state: string; readonly threads: number } | undefined {
  const text = machine.attribute(path);
  if (text === undefined) return undefined;
  const rest = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: rest[0]!, threads: Number(rest[17]) };
}

function listTasks(machine: Machine, directory: string): readonly string[] {
  try {
    return machine.list(directory) ?? [];
  } catch {
    // The process ended between the two looks at it.
    return [];
  }
}

function count(counts: Map<string, number>, state: string): void {
  counts.set(state, (counts.get(state) ?? 0) + 1);
}

function stateFamily(family: Family, label: string, counts: ReadonlyMap<string, number>): Family {
  for (const [state, value] of counts) family.add(value, label, state);
  return family;
}
