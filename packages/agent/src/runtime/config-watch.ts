/** Reloads an agent when the files of its configuration change, for hosts that are told to (`--config.watch`). */
import { describeError, FinchError } from "@finch/runtime";
import type { Clock, FileSystem, Logger } from "@finch/runtime";
import { untilAborted } from "../until-aborted.ts";
import type { Agent } from "./agent.ts";
import { readConfig } from "./config-source.ts";
import { PathWatcher } from "./path-watcher.ts";

/** Pause behind an event of the file system: whoever writes files writes them in pieces. */
const SETTLE_MS = 200;
/** For file systems that tell nothing, and changes behind symbolic links. */
const POLL_MS = 10_000;

export interface WatchOptions {
  /** File or folder that the agent was started with. */
  readonly path: string;
  readonly clock: Clock;
  readonly fileSystem: FileSystem;
  readonly log: Logger;
}

/**
 * Runs until `signal` aborts. A configuration that is refused is told in the log, leaves the running one as it is, and is not tried again before
 * the files change once more. Begins with what the files hold when it is called.
 */
export async function watchConfig(
  agent: Pick<Agent, "reload">,
  options: WatchOptions,
  signal: AbortSignal,
): Promise<void> {
  const { path, clock, log } = options;
  using watcher = new PathWatcher([path]);
  let last = await contentOf(options);
  let changed = watcher.changed(signal);
  changed.catch(() => {});
  await untilAborted(signal, async () => {
    const round = new AbortController();
    const polled = clock.sleep(POLL_MS, AbortSignal.any([signal, round.signal]));
    polled.catch(() => {});
    const hasEvent = await Promise.race([changed.then(() => true), polled.then(() => false)]);
    round.abort();
    if (hasEvent) {
      changed = watcher.changed(signal);
      changed.catch(() => {});
      await clock.sleep(SETTLE_MS, signal);
    }
    const content = await contentOf(options);
    if (content === last) return;
    last = content;
    try {
      await agent.reload();
    } catch (error) {
      if (!(error instanceof FinchError)) throw error;
      const refused = "the changed configuration is refused; the old one goes on";
      log.error(refused, { error: describeError(error) });
    }
  });
}

/** Names and texts of all files, or why they cannot be read. */
async function contentOf({ path, fileSystem }: WatchOptions): Promise<string> {
  try {
    const sources = await readConfig({ path }, fileSystem);
    return JSON.stringify(sources.map(({ name, text }) => [name, text]));
  } catch (error) {
    return describeError(error);
  }
}
