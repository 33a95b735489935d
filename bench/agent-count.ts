/** Counting at the receiver what an agent has sent. */
import { setTimeout as sleep } from "node:timers/promises";

/** Behind every time that a line can have. */
const ASKED_AHEAD_MS = 3_600_000;
/** When nothing has come for so long, nothing more comes: above the longest pause between tries. */
const STILL_MS_MAX = 90_000;

export interface Counted {
  readonly url: string;
  /** Of instant queries; Loki's unless told otherwise. */
  readonly path?: string;
}

/** A machine that does much else may take longer than a query may; then it is asked again. */
const TRIES = 3;

/** The one number an instant query answers; 0 when it answers none. */
export async function askSum(
  { url, path = "/loki/api/v1/query" }: Counted,
  query: string,
  aheadMs = 0,
): Promise<number> {
  const time = String((Date.now() + aheadMs) / 1000);
  const ask = () => fetch(`${url}${path}?${new URLSearchParams({ query, time }).toString()}`);
  let reply = await ask();
  for (let tries = 1; reply.status === 504 && tries < TRIES; tries++) reply = await ask();
  if (!reply.ok) throw new Error(`${query} is answered ${reply.status}: ${await reply.text()}`);
  const { data } = (await reply.json()) as { data: { result: { value: [number, string] }[] } };
  return Number(data.result[0]?.value[1] ?? 0);
}

/** All lines of a selector, whatever the clock of the agent did within a day. */
export function countLines(server: Counted, selector: string): Promise<number> {
  return askSum(server, `sum(count_over_time(${selector}[24h]))`, ASKED_AHEAD_MS);
}

/**
 * The sum of the numbers `n` of JSON lines: tells a line that is missing and another that is there twice from none of both. Each value of `service` is asked for by
 * itself, for a query reads only so many lines.
 */
export async function sumNumbers(
  server: Counted,
  labels: string,
  services: readonly string[],
): Promise<number> {
  let sum = 0;
  for (const service of services)
    sum += await askSum(
      server,
      `sum(sum_over_time({${labels}, service="${service}"} | json n="n" | unwrap n [24h]))`,
      ASKED_AHEAD_MS,
    );
  return sum;
}

/** Waits until so many lines are there, and for how long that took, in milliseconds; throws when there are more, or when nothing comes any more. */
export async function untilCounted(
  server: Counted,
  selector: string,
  expected: number,
  say: (text: string) => void = () => {},
): Promise<number> {
  const start = performance.now();
  let changedMs = start;
  let found = -1;
  while (performance.now() - changedMs < STILL_MS_MAX) {
    const lines = await countLines(server, selector);
    if (lines === expected) return performance.now() - start;
    if (lines > expected) throw new Error(`${expected} lines were written and ${lines} are there`);
    if (lines !== found) {
      changedMs = performance.now();
      say(`catching up: ${lines} of ${expected}`);
    }
    found = lines;
    await sleep(500);
  }
  throw new Error(`${expected} lines were written and ${found} are there`);
}
