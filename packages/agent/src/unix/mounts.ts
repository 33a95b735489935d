/** Mounted file systems: their sizes, on whichever platform, and how Linux tells which there are. */
import { describeError } from "@finch/runtime";
import {
  fields,
  mustRead,
  type Collector,
  type FileSystemSpace,
  type Machine,
} from "./collector.ts";
import { deviceFilter } from "./device-filter.ts";
import { gauge } from "./family.ts";

export interface FilesystemOptions {
  readonly fsTypesExclude: string;
  readonly mountPointsExclude: string;
  readonly mountTimeoutMs: number;
}

export interface Mount {
  readonly device: string;
  /** As the label shows it. */
  readonly mountPoint: string;
  /** Where this process sees it. */
  readonly path: string;
  readonly type: string;
  readonly major: string;
  readonly minor: string;
  readonly readonly: boolean;
}

/** `node_filesystem_*`, each mount that `readMounts` tells of. */
export function makeFilesystem(
  options: FilesystemOptions,
  readMounts: (machine: Machine) => Promise<readonly Mount[]>,
): Collector {
  const showsType = deviceFilter({ exclude: options.fsTypesExclude });
  const showsMount = deviceFilter({ exclude: options.mountPointsExclude });
  return {
    collect: async (machine) => {
      const families = filesystemFamilies();
      const seen = new Set<string>();
      for (const mount of await readMounts(machine)) {
        if (!showsMount(mount.mountPoint) || !showsType(mount.type)) continue;
        let space: FileSystemSpace | undefined;
        let fault = "";
        try {
          // One after the other: a scrape of local mounts never waits, and dead remote ones are waited for once each.
          space = await machine.space({
            path: mount.path,
            type: mount.type,
            timeoutMs: options.mountTimeoutMs,
          });
        } catch (error) {
          fault = describeError(error);
        }
        const identity = [
          mount.device,
          mount.mountPoint,
          mount.type,
          mount.major,
          mount.minor,
          fault,
        ].join("\u0000");
        if (seen.has(identity)) continue;
        seen.add(identity);
        addMount(families, mount, { space, fault });
      }
      return Object.values(families);
    },
  };
}

function filesystemFamilies() {
  return {
    size: gauge("node_filesystem_size_bytes", "Filesystem size in bytes."),
    free: gauge("node_filesystem_free_bytes", "Filesystem free space in bytes."),
    available: gauge(
      "node_filesystem_avail_bytes",
      "Filesystem space available to non-root users in bytes.",
    ),
    files: gauge("node_filesystem_files", "Filesystem total file nodes."),
    filesFree: gauge("node_filesystem_files_free", "Filesystem total free file nodes."),
    readonly: gauge("node_filesystem_readonly", "Filesystem read-only status."),
    error: gauge(
      "node_filesystem_device_error",
      "Whether an error occurred while getting statistics for the given device.",
    ),
    info: gauge("node_filesystem_mount_info", "Filesystem mount information."),
  };
}

function addMount(
  families: ReturnType<typeof filesystemFamilies>,
  mount: Mount,
  result: { readonly space: FileSystemSpace | undefined; readonly fault: string },
): void {
  const { device, mountPoint, type, major, minor } = mount;
  const labels = [
    "device",
    device,
    "device_error",
    result.fault,
    "fstype",
    type,
    "mountpoint",
    mountPoint,
  ];
  families.error.add(result.space === undefined ? 1 : 0, ...labels);
  families.readonly.add(mount.readonly ? 1 : 0, ...labels);
  if (result.space === undefined) return;
  families.size.add(result.space.sizeBytes, ...labels);
  families.free.add(result.space.freeBytes, ...labels);
  families.available.add(result.space.availableBytes, ...labels);
  families.files.add(result.space.files, ...labels);
  families.filesFree.add(result.space.filesFree, ...labels);
  families.info.add(1, "device", device, "major", major, "minor", minor, "mountpoint", mountPoint);
}

/** The mounts as the first process of the machine sees them. */
export async function linuxMounts(machine: Machine): Promise<readonly Mount[]> {
  const { proc, rootfs } = machine.paths;
  const text = machine.read(`${proc}/1/mountinfo`) ?? mustRead(machine, `${proc}/self/mountinfo`);
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const words = fields(line);
    const dash = words.indexOf("-", 6);
    if (dash < 0) continue;
    const [, , device = "", , point = "", options = ""] = words;
    const [type = "", source = "", superOptions = ""] = words.slice(dash + 1);
    const colon = device.indexOf(":");
    const mountPoint = stripRootfs(
      point.replaceAll("\\040", " ").replaceAll("\\011", "\t"),
      rootfs,
    );
    mounts.push({
      device: source,
      mountPoint,
      path: rootfs === "/" ? mountPoint : rootfs + mountPoint,
      type,
      major: device.slice(0, colon),
      minor: device.slice(colon + 1),
      readonly:
        options.split(",").includes("ro") ||
        superOptions.split(",").some((option) => option === "ro" || option === "emergency_ro"),
    });
  }
  return mounts;
}

/** A mount point as the machine itself names it, whose root is at `rootfs`. */
export function stripRootfs(path: string, rootfs: string): string {
  if (rootfs === "/" || !path.startsWith(rootfs)) return path;
  return path.slice(rootfs.length) || "/";
}
