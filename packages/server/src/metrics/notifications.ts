/** What people who look at this server should know about it, such as that it is shutting down; told as a list and as a stream. */
import type { Clock } from "@finch/runtime";

export interface Notification {
  readonly text: string;
  readonly date: string;
  /** False in the stream when it no longer holds. */
  readonly active: boolean;
}

/** Streams open at once; each holds a socket for as long as its page is open. */
const LISTENERS_MAX = 16;
/** Notifications a slow stream may be behind; beyond that it is closed. */
const BEHIND_MAX = 64;

interface Listener {
  readonly waiting: Notification[];
  readonly wake: () => void;
}

export class Notifications {
  readonly #clock: Clock;
  readonly #active = new Map<string, Notification>();
  readonly #listeners = new Set<Listener>();
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Tells `text` until it is removed; one that is told already keeps its date. */
  add(text: string): void {
    if (this.#active.has(text)) return;
    const date = new Date(this.#clock.nowMs()).toISOString();
    const notification = { text, date, active: true };
    this.#active.set(text, notification);
    this.#publish(notification);
  }

  remove(text: string): void {
    const notification = this.#active.get(text);
    if (notification === undefined) return;
    this.#active.delete(text);
    this.#publish({ ...notification, active: false });
  }

  /** Those that hold, the oldest first. */
  list(): readonly Notification[] {
    return [...this.#active.values()];
  }

  /** Those that hold, then each that comes, until `signal` aborts or {@link close}; undefined when too many listen already. */
  listen(signal: AbortSignal): AsyncIterable<Notification> | undefined {
    if (this.#isClosed || this.#listeners.size >= LISTENERS_MAX) return undefined;
    return this.#follow(signal);
  }

  /** Ends every stream after what it was told. */
  close(): void {
    this.#isClosed = true;
    for (const listener of this.#listeners) listener.wake();
  }

  #publish(notification: Notification): void {
    for (const listener of this.#listeners) {
      listener.waiting.push(notification);
      listener.wake();
    }
  }

  async *#follow(signal: AbortSignal): AsyncGenerator<Notification> {
    let turn = Promise.withResolvers<void>();
    const listener: Listener = {
      waiting: [...this.#active.values()],
      wake: () => turn.resolve(),
    };
    this.#listeners.add(listener);
    signal.addEventListener("abort", listener.wake, { once: true });
    try {
      while (!signal.aborted && listener.waiting.length <= BEHIND_MAX) {
        for (const notification of listener.waiting.splice(0)) yield notification;
        if (this.#isClosed || listener.waiting.length > 0) {
          if (listener.waiting.length === 0) return;
          continue;
        }
        await turn.promise;
        turn = Promise.withResolvers();
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener("abort", listener.wake);
    }
  }
}
