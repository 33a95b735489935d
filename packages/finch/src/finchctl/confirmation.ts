/** Asks before what cannot be taken back. */
import { createInterface } from "node:readline/promises";
import { FinchError } from "@finch/runtime";

/** Resolves when the answer is yes, by `--yes` or on the terminal. */
export async function confirm(question: string, isSaid: boolean): Promise<void> {
  if (isSaid) return;
  if (!process.stdin.isTTY) {
    throw new FinchError(
      "conflict",
      "finch/not-confirmed",
      `${question} Nobody is there to answer: say --yes`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${question} [y/N] `);
  terminal.close();
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new FinchError("conflict", "finch/not-confirmed", "nothing was done");
}
