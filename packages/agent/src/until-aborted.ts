/** The loop most components are: do a step, wait, again, until the signal aborts. */

/**
 * Runs `step` over and over until `signal` aborts. A step that rejects because of the abort ends the loop quietly; any other rejection is passed on.
 * Every step must wait for something, or the loop starves the process.
 */
export async function untilAborted(signal: AbortSignal, step: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      await step();
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
  }
}
