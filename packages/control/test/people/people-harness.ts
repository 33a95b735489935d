/** People in a database of their own, with passwords that are cheap to hash. */
import type { Control } from "../../src/control.ts";
import { People } from "../../src/people/people.ts";
import type { PeopleOptions, SignInOrigin } from "../../src/people/people.ts";
import { controlDirectory, manualClock, START_MS } from "../control-directory.ts";
import type { ManualClock } from "../control-directory.ts";

export interface PeopleHarness extends AsyncDisposable {
  readonly people: People;
  readonly control: Control;
  readonly clock: ManualClock;
  /** People as another start of Finch has them. */
  again(options?: Partial<PeopleOptions>): People;
}

export const CHEAP = { costLog2: 4, blockSize: 1, parallelism: 1 };
export const HERE: SignInOrigin = { address: "127.0.0.1", userAgent: "a test", isLocal: true };
export const ELSEWHERE: SignInOrigin = {
  address: "192.0.2.7",
  userAgent: "a test",
  isLocal: false,
};
export const SYSTEM = { name: "system", origin: "" };
export const GOOD_PASSWORD = "three blind mice";

export async function openPeople(options: Partial<PeopleOptions> = {}): Promise<PeopleHarness> {
  const clock = manualClock(START_MS);
  const directory = await controlDirectory(clock);
  const control = await directory.open();
  const { database, audit } = control;
  const again = (more: Partial<PeopleOptions> = {}) =>
    new People({ database, audit, clock, scryptCost: CHEAP, ...options, ...more });
  return {
    people: again(),
    control,
    clock,
    again,
    [Symbol.asyncDispose]: async () => {
      control[Symbol.dispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** A user with {@link GOOD_PASSWORD}. */
export async function addUser(
  people: People,
  name: string,
  about: { readonly role?: "viewer" | "editor" | "admin"; readonly readScope?: string } = {},
) {
  const { role = "viewer", readScope = "" } = about;
  const wanted = { name, fullName: "", role, readScope, password: GOOD_PASSWORD };
  return await people.admin.createUser(SYSTEM, wanted);
}

/** What a fault of sign-in is told by. */
export function code(expected: string): (error: unknown) => boolean {
  return (error) => (error as { readonly code?: string }).code === expected;
}
