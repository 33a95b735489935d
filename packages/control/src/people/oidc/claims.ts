/** What somebody may here, by what their provider claims of them. */
import type { Role } from "../roles.ts";
import { ROLES } from "../roles.ts";

export type Claims = Readonly<Record<string, unknown>>;

export interface ClaimRules {
  /** Where the claim with groups or roles is: its name, or a path such as `realm_access.roles`. */
  readonly roleClaim: string;
  /** Values of that claim, by the role they give; somebody with several has the highest. */
  readonly roles: Readonly<Record<Role, readonly string[]>>;
  /** The role of those who have none of these values; undefined refuses them. */
  readonly otherwise: Role | undefined;
  /** What viewers with a value may read; the first that they have counts. Where there are some, viewers with none of the values are refused. */
  readonly readScopes: readonly { readonly value: string; readonly selector: string }[];
}

export interface Granted {
  readonly role: Role;
  readonly readScope: string;
}

/** Undefined: somebody is known there, and nothing to us. */
export function grantByClaims(claims: Claims, rules: ClaimRules): Granted | undefined {
  const values = new Set(readValues(claims, rules.roleClaim));
  const role =
    ROLES.findLast((one) => rules.roles[one].some((value) => values.has(value))) ?? rules.otherwise;
  if (role === undefined) return undefined;
  if (role !== "viewer" || rules.readScopes.length === 0) return { role, readScope: "" };
  const scope = rules.readScopes.find(({ value }) => values.has(value));
  return scope && { role, readScope: scope.selector };
}

/** A claim of one text or of a list of them. */
function readValues(claims: Claims, path: string): readonly string[] {
  // Some providers name claims by URLs, which have dots.
  const found = claims[path] ?? path.split(".").reduce<unknown>(step, claims);
  if (typeof found === "string") return [found];
  return Array.isArray(found) ? found.filter((one) => typeof one === "string") : [];
}

function step(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

/** How somebody may be called here: letters, digits and `._@+-`. */
export function nameByClaims(claims: Claims, subject: string): string {
  for (const claim of ["preferred_username", "email", "nickname", "name"]) {
    const value = claims[claim];
    if (typeof value !== "string") continue;
    const name = value
      .normalize("NFC")
      .replaceAll(/[^\p{L}\p{N}._@+-]+/gu, "-")
      .replace(/^[._@+-]+/, "")
      .slice(0, NAME_CHARS_MAX);
    if (name !== "") return name;
  }
  return `user-${subject.replaceAll(/[^A-Za-z0-9]+/g, "").slice(0, 12)}`;
}

/** Room is left for what tells namesakes apart. */
const NAME_CHARS_MAX = 100;
