/** Who may do what: a role is a set of permissions, and somebody is who came with a session or a token. */

export const ROLES = ["viewer", "editor", "admin"] as const;
export type Role = (typeof ROLES)[number];

/**
 * `read` what is stored · `write` telemetry into it · `edit` what is watched and shown (agents, their configuration, dashboards, rules) · `admin` users, deletes,
 * Finch itself.
 */
export const PERMISSIONS = ["read", "write", "edit", "admin"] as const;
export type Permission = (typeof PERMISSIONS)[number];

const OF_ROLE: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  viewer: new Set(["read"]),
  editor: new Set(["read", "write", "edit"]),
  admin: new Set(PERMISSIONS),
};

export function permissionsOf(role: Role): ReadonlySet<Permission> {
  return OF_ROLE[role];
}

/** Who asks. */
export interface Principal {
  /** `session` a person in a browser · `token` a program with an API token · `local` anybody, where nobody is asked to sign in. */
  readonly kind: "session" | "token" | "local";
  /** As the audit trail names it: `user:ada`, `token:ada/ci`, `local`. */
  readonly actor: string;
  /** Undefined for `local`. */
  readonly user: { readonly id: string; readonly name: string; readonly role: Role } | undefined;
  readonly permissions: ReadonlySet<Permission>;
  /** Selectors that all hold for what may be read; none: everything may be. */
  readonly readScopes: readonly string[];
  /** Of `session`: which one. */
  readonly sessionId: string | undefined;
  /** Of `session`: what a request that changes something must show, as only pages of our own can. */
  readonly csrfToken: string | undefined;
}

/** Whoever comes where nobody is asked: may do everything. */
export const LOCAL_PRINCIPAL: Principal = {
  kind: "local",
  actor: "local",
  user: undefined,
  permissions: new Set(PERMISSIONS),
  readScopes: [],
  sessionId: undefined,
  csrfToken: undefined,
};
