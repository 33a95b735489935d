/** Tells when files or folders change, as far as the file system tells; whoever cannot miss a change polls, too. */
import { statSync, watch } from "node:fs";
import type { FSWatcher } from "node:fs";
import { dirname } from "node:path";
import { unlessAborted } from "../until-aborted.ts";

export class PathWatcher implements Disposable {
  readonly #watchers: FSWatcher[] = [];
  #changed = Promise.withResolvers<void>();

  /** A file is watched through its folder, since editors and deployments replace files rather than write them. */
  constructor(paths: readonly string[]) {
    for (const folder of new Set(paths.map(folderOf))) {
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#changed.resolve());
        watcher.on("error", () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        // No such folder, or no more watches: polling is left.
      }
    }
  }

  /** Resolves when something has changed since the last call resolved; rejects when `signal` aborts. */
  async changed(signal: AbortSignal): Promise<void> {
    await unlessAborted(this.#changed.promise, signal);
    this.#changed = Promise.withResolvers();
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers) watcher.close();
  }
}

function folderOf(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? path : dirname(path);
}
