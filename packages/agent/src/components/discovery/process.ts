/** `discovery.process`: one target a process of this machine, from `/proc`, joined with targets of the containers they run in. Linux only. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { FinchError } from "@finch/runtime";
import { Labels } from "@finch/model";
import { runSessions } from "../../argument-sessions.ts";
import { defineComponent } from "../../component.ts";
import type { Target } from "../../receivers.ts";
import { block, optional } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

const ARGUMENTS = {
  join: optional(
    "list(target)",
    [],
    "Targets of containers; a process gets the labels of the one whose container ID it has.",
  ),
  refresh_interval: optional("duration", 60_000, "How often to look.", { min: 1 }),
  discover_config: block(
    {
      exe: optional("bool", true, "Add `__meta_process_exe`."),
      cwd: optional("bool", true, "Add `__meta_process_cwd`."),
      commandline: optional("bool", true, "Add `__meta_process_commandline`."),
      uid: optional("bool", true, "Add `__meta_process_uid`."),
      username: optional("bool", true, "Add `__meta_process_username`."),
      cgroup_path: optional("bool", false, "Add `__meta_cgroup_path`."),
      container_id: optional("bool", true, "Add `__container_id__`."),
    },
    { repeat: "one", doc: "What to find out of a process." },
  ),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

interface Exports {
  readonly targets: readonly Target[];
}

/** Processes looked at at once; more would only hold file descriptors. */
const BATCH = 64;
const CONTAINER_ID = /^.*\/(?:.*-)?([0-9a-f]{64})(?:\.|\s*$)/;

export const discoveryProcess = defineComponent<typeof ARGUMENTS, Exports>({
  name: "discovery.process",
  stability: "generally-available",
  summary: "Finds the processes of this machine.",
  arguments: ARGUMENTS,
  exports: { targets: "One target a process, and the targets of `join`." },
  run: (context, signal) =>
    runSessions(context, signal, async (values, session) => {
      if (process.platform !== "linux")
        throw new FinchError(
          "unsupported",
          "agent/discovery-process",
          `discovery.process reads /proc, which ${process.platform} does not have`,
        );
      while (!session.aborted) {
        const processes = await discoverProcesses(values.discover_config);
        const targets = joinTargets(processes, values.join);
        context.setExports({ targets });
        context.setHealth("healthy", `${processes.length} processes`);
        await context.clock.sleep(values.refresh_interval, session);
      }
    }),
});

/** One target a process that lives and may be looked at. */
export async function discoverProcesses(
  wanted: Arguments["discover_config"],
  root = "/proc",
): Promise<Target[]> {
  const users = wanted.username ? await readUsers() : new Map<string, string>();
  const pids = (await readdir(root)).filter((name) => /^\d+$/.test(name));
  const targets: Target[] = [];
  for (let start = 0; start < pids.length; start += BATCH) {
    const found = await Promise.all(
      pids
        .slice(start, start + BATCH)
        .map((pid) => describeProcess(join(root, pid), wanted, users)),
    );
    for (const labels of found) if (labels !== undefined) targets.push(Labels.fromObject(labels));
  }
  return targets;
}

/** Undefined when it has ended, or when its program cannot be told: kernel threads, and processes of others. */
async function describeProcess(
  directory: string,
  wanted: Arguments["discover_config"],
  users: ReadonlyMap<string, string>,
): Promise<Record<string, string> | undefined> {
  const pid = directory.slice(directory.lastIndexOf("/") + 1);
  const labels: Record<string, string> = { __process_pid__: pid };
  try {
    if (wanted.exe) labels["__meta_process_exe"] = await readlink(join(directory, "exe"));
    if (wanted.cwd) labels["__meta_process_cwd"] = await readlink(join(directory, "cwd"));
    if (wanted.commandline) {
      const text = await readFile(join(directory, "cmdline"), "utf8");
      labels["__meta_process_commandline"] = text.replace(/\0+$/, "").replaceAll("\0", " ");
    }
    if (wanted.uid || wanted.username) {
      const status = await readFile(join(directory, "status"), "utf8");
      const uid = /^Uid:\s+(\d+)/m.exec(status)?.[1] ?? "";
      if (wanted.uid) labels["__meta_process_uid"] = uid;
      if (wanted.username) labels["__meta_process_username"] = users.get(uid) ?? "";
    }
    if (wanted.cgroup_path || wanted.container_id) {
      const cgroups = (await readFile(join(directory, "cgroup"), "utf8")).trimEnd();
      // One line with cgroup v2; with v1 one for each controller.
      if (wanted.cgroup_path) labels["__meta_cgroup_path"] = cgroups.replaceAll("\n", "|");
      if (wanted.container_id) labels["__container_id__"] = containerIdOf(cgroups);
    }
    return labels;
  } catch {
    return undefined;
  }
}

function containerIdOf(cgroups: string): string {
  for (const line of cgroups.split("\n")) {
    const id = CONTAINER_ID.exec(line)?.[1];
    if (id !== undefined) return id;
  }
  return "";
}

/** Names of users by their number. */
async function readUsers(): Promise<Map<string, string>> {
  const users = new Map<string, string>();
  try {
    for (const line of (await readFile("/etc/passwd", "utf8")).split("\n")) {
      const [name = "", , uid = ""] = line.split(":");
      if (!users.has(uid)) users.set(uid, name);
    }
  } catch {
    // A machine without the file has no names.
  }
  return users;
}

/** Processes with the labels of their container, then the containers themselves. */
export function joinTargets(
  processes: readonly Target[],
  containers: readonly Target[],
): readonly Target[] {
  const byId = new Map<string, Target>();
  const others: Target[] = [];
  for (const container of containers) {
    const id = targetContainerId(container);
    if (id === "") others.push(container);
    else byId.set(id, container);
  }
  const joined = processes.map((target) => {
    const container = byId.get(target.get("__container_id__"));
    if (container === undefined) return target;
    return Labels.fromObject({ ...target.toObject(), ...container.toObject() });
  });
  return [...others, ...joined, ...byId.values()];
}

function targetContainerId(target: Target): string {
  const own = target.get("__container_id__");
  if (own !== "") return own;
  const pod = target.get("__meta_kubernetes_pod_container_id");
  if (pod !== "") return /^(?:docker|containerd|cri-o):\/\/(.*)$/.exec(pod)?.[1] ?? "";
  return target.get("__meta_docker_container_id");
}
