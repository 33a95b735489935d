/** The file of `scrape_failure_log_file`: a line of JSON for each failed scrape, with the keys Prometheus writes. */
import { describeError, type FileSystem, type Logger } from "@finch/runtime";

/** Lines that wait to be written; a disk that stands still must not fill the memory. */
const WAITING_MAX = 1000;

export interface ScrapeFailureLog {
  note(targetUrl: string, error: string): void;
  /** Waits for what is being written. */
  close(): Promise<void>;
}

/** Opens the file to append to; rejects when it cannot be made. */
export async function openScrapeFailureLog(
  path: string,
  about: {
    readonly fileSystem: FileSystem;
    readonly log: Logger;
    readonly nowMs: () => number;
    readonly job: string;
  },
): Promise<ScrapeFailureLog> {
  const { fileSystem, log, nowMs, job } = about;
  const file = await fileSystem.open(path, "append");
  let waiting = 0;
  let end = await file.size();
  let turn: Promise<void> = Promise.resolve();
  return {
    note: (target, msg) => {
      if (waiting >= WAITING_MAX) return;
      const time = new Date(nowMs()).toISOString();
      const line = JSON.stringify({ time, level: "ERROR", msg, job_name: job, target });
      const bytes = Buffer.from(`${line}\n`);
      const position = end;
      end += bytes.length;
      waiting++;
      turn = turn
        .then(() => file.write(bytes, position))
        .catch((error: unknown) =>
          log.error("a failed scrape cannot be logged", { path, error: describeError(error) }),
        )
        .finally(() => waiting--);
    },
    close: async () => {
      await turn;
      await file.close();
    },
  };
}
