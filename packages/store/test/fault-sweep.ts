/**
 * Lives a life of a store again and again, each time with a fault at another operation of its file system, and checks after each what must be true
 * whatever happened.
 */
import { FaultyFileSystem } from "./faulty-file-system.ts";
import type { Survival } from "./faulty-file-system.ts";
import { createRandom } from "./store-fixtures.ts";

export const SURVIVALS: readonly Survival[] = ["nothing", "everything", "some"];

export interface Sweep<Books> {
  /** What is noted during one life. */
  readonly createBooks: () => Books;
  /** With `mayFail`, goes on when an operation is refused. */
  readonly live: (
    fileSystem: FaultyFileSystem,
    books: Books,
    options: { readonly mayFail: boolean },
  ) => Promise<void>;
  /** After the fault, when the power is back. */
  readonly check: (fileSystem: FaultyFileSystem, books: Books) => Promise<void>;
}

/** Which operations meet the fault: all, unless told otherwise. */
export interface SweptOperations {
  readonly first?: number;
  readonly step?: number;
}

/** Cuts the power at one operation after the other; returns how many there were. */
export async function cutPowerEverywhere<Books>(
  { createBooks, live, check }: Sweep<Books>,
  survival: Survival,
  { first = 1, step = 1 }: SweptOperations = {},
): Promise<number> {
  for (let n = first, cuts = 0; ; n += step, cuts++) {
    const fileSystem = new FaultyFileSystem();
    const books = createBooks();
    fileSystem.cutPowerAt(n);
    const isCut = await live(fileSystem, books, { mayFail: false }).then(
      () => false,
      (error: unknown) => {
        if (fileSystem.isOff) return true;
        throw error;
      },
    );
    if (!isCut) return cuts;
    fileSystem.crash(survival, createRandom(n));
    await check(fileSystem, books).catch((error: unknown) => {
      throw new Error(`power cut at operation ${n}`, { cause: error });
    });
  }
}

/** Refuses `count` operations from one after the other on; then the power goes, and what was not synced is lost. */
export async function refuseEverywhere<Books>(
  { createBooks, live, check }: Sweep<Books>,
  { code, count }: { readonly code: string; readonly count: number },
  { first = 1, step = 1 }: SweptOperations = {},
): Promise<void> {
  for (let n = first, isReached = true; isReached; n += step) {
    const fileSystem = new FaultyFileSystem();
    const books = createBooks();
    fileSystem.failAt(n, count, code);
    await live(fileSystem, books, { mayFail: true });
    isReached = fileSystem.hasFailed;
    fileSystem.crash("nothing", createRandom(n));
    await check(fileSystem, books).catch((error: unknown) => {
      throw new Error(`${code} at operation ${n}`, { cause: error });
    });
  }
}
