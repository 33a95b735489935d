/** What macOS has mounted, as mount(8) lists it; sizes come from statfs(2), as everywhere. */
import type { Machine } from "./collector.ts";
import { stripRootfs, type Mount } from "./mounts.ts";

/** Lines such as `/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)`; names may have spaces and brackets. */
export async function darwinMounts(machine: Machine): Promise<readonly Mount[]> {
  const mounts: Mount[] = [];
  for (const line of (await machine.run("mount", [])).split("\n")) {
    const [, device, path, about] = /^(.+?) on (\/.*) \(([^()]*)\)$/.exec(line) ?? [];
    if (device === undefined || path === undefined || about === undefined) continue;
    const [type = "", ...options] = about.split(", ");
    mounts.push({
      device,
      mountPoint: stripRootfs(path, machine.paths.rootfs),
      path,
      type,
      major: "",
      minor: "",
      readonly: options.includes("read-only"),
    });
  }
  if (mounts.length === 0) throw new Error("mount lists no file system");
  return mounts;
}
