/** Memory of macOS: vm_stat(1) for pages, sysctl(8) for swap, `node:os` for what is built in. */
import type { Collector } from "./collector.ts";
import { counter, gauge, type Family } from "./family.ts";

/** What node_exporter calls the kernel's counts, and the lines of vm_stat that add up to each. */
const PAGE_COUNTS: readonly {
  readonly name: string;
  readonly lines: readonly string[];
}[] = [
  { name: "active_bytes", lines: ["Pages active"] },
  { name: "compressed_bytes", lines: ["Pages occupied by compressor"] },
  // The kernel counts speculative pages as free; vm_stat takes them off.
  { name: "free_bytes", lines: ["Pages free", "Pages speculative"] },
  { name: "inactive_bytes", lines: ["Pages inactive"] },
  { name: "internal_bytes", lines: ["Anonymous pages"] },
  { name: "purgeable_bytes", lines: ["Pages purgeable"] },
  // node_exporter means pages from and to disk of any kind, not swap alone.
  { name: "swapped_in_bytes_total", lines: ["Pageins"] },
  { name: "swapped_out_bytes_total", lines: ["Pageouts"] },
  { name: "wired_bytes", lines: ["Pages wired down"] },
];

const MEBIBYTE = 1024 * 1024;

/** `node_memory_*`. */
export const darwinMeminfo: Collector = {
  collect: async (machine) => {
    const [pages, swapText] = await Promise.all([
      machine.run("vm_stat", []),
      machine.run("sysctl", ["-n", "vm.swapusage"]),
    ]);
    const { pageBytes, counts } = parseVmStat(pages);
    const swap = parseSwapUsage(swapText);
    return [
      ...PAGE_COUNTS.map(({ name, lines }) =>
        memory(name, pageBytes * sum(lines.map((line) => mustFind(counts, line)))),
      ),
      memory("swap_total_bytes", swap.totalBytes),
      memory("swap_used_bytes", swap.usedBytes),
      memory("total_bytes", machine.system.memoryBytes()),
    ];
  },
};

function memory(name: string, bytes: number): Family {
  const make = name.endsWith("_total") ? counter : gauge;
  return make(`node_memory_${name}`, `Memory information field ${name}.`).add(bytes);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function mustFind(counts: ReadonlyMap<string, number>, line: string): number {
  const count = counts.get(line);
  if (count === undefined) throw new Error(`vm_stat has no line ${JSON.stringify(line)}`);
  return count;
}

/** Lines such as `Pages free:   4518.`, in pages of the size that the heading tells. */
function parseVmStat(text: string): {
  readonly pageBytes: number;
  readonly counts: ReadonlyMap<string, number>;
} {
  const pageBytes = Number(/page size of (\d+) bytes/.exec(text)?.[1] ?? NaN);
  if (Number.isNaN(pageBytes)) throw new Error("vm_stat tells no page size");
  const counts = new Map<string, number>();
  for (const [, name = "", count] of text.matchAll(/^"?([^":\n]+)"?:\s+(\d+)\.?$/gm))
    counts.set(name, Number(count));
  return { pageBytes, counts };
}

/** `total = 2048.00M  used = 512.25M  free = 1535.75M  (encrypted)`, in MiB with two digits, which is all that sysctl prints. */
function parseSwapUsage(text: string): { readonly totalBytes: number; readonly usedBytes: number } {
  const bytesOf = (name: string) => {
    const mebibytes = new RegExp(`\\b${name} = (\\d+(?:\\.\\d+)?)M`).exec(text)?.[1];
    if (mebibytes === undefined) throw new Error(`vm.swapusage tells no ${name}: ${text.trim()}`);
    return Math.round(Number(mebibytes) * MEBIBYTE);
  };
  return { totalBytes: bytesOf("total"), usedBytes: bytesOf("used") };
}
