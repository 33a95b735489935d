/**
 * When a request must end before its reply is out: as a signal that is made only for who asks for it. Most requests are answered before anybody
 * does, and a signal costs more than the rest of a small request.
 */

export class RequestEnd {
  #controller: AbortController | undefined;
  #reason: unknown;
  #isAborted = false;

  /** Aborts as soon as the request must end; the same signal at each call. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The first reason is the one that counts. */
  abort(reason: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
