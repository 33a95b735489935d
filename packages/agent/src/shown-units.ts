/** Durations and sizes as configurations write them, for pages and references. */

/** `15s`, `5m`, `1h`, `250ms`: the largest unit that divides it. */
export function formatMs(ms: number): string {
  if (ms !== 0 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms !== 0 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** `1MiB`, `4KiB`, or the number of bytes when it is no multiple of 1024. */
export function formatBytes(bytes: number): string {
  if (bytes === 0 || bytes % 1024 !== 0) return `${bytes}B`;
  const kib = bytes / 1024;
  return kib % 1024 === 0 ? `${kib / 1024}MiB` : `${kib}KiB`;
}
