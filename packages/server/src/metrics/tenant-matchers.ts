/**
 * How a selection becomes one of some tenants. Every series of a tenant carries its name in the label {@link TENANT_LABEL}, that of `anonymous`
 * nothing: it owns what was written while tenants were off. One tenant never sees the label; several read together do.
 */
import { createMatcher } from "@finch/model";
import type { Labels, Matcher } from "@finch/model";
import { ANONYMOUS } from "./tenant-id.ts";

export const TENANT_LABEL = "__tenant_id__";

/** What the label holds in the store. */
export function storedTenant(tenant: string): string {
  return tenant === ANONYMOUS ? "" : tenant;
}

const TENANT_NAMES: ReadonlySet<string> = new Set([TENANT_LABEL]);

/** Puts selections into, and takes labels out of, the series of some tenants. */
export class TenantScope {
  /** Sorted. */
  readonly tenants: readonly string[];

  constructor(tenants: readonly string[]) {
    this.tenants = tenants;
  }

  /** Whether results tell whose they are. */
  get isFederated(): boolean {
    return this.tenants.length > 1;
  }

  /** The matchers to ask the store with; undefined when nothing of these tenants can match. */
  narrow(matchers: readonly Matcher[]): readonly Matcher[] | undefined {
    const others = matchers.filter(({ name }) => name !== TENANT_LABEL);
    const own = matchers.filter(({ name }) => name === TENANT_LABEL);
    const asSeen = (tenant: string) => (this.isFederated ? tenant : "");
    const wanted = this.tenants.filter((tenant) =>
      own.every((matcher) => matcher.matches(asSeen(tenant))),
    );
    if (wanted.length === 0) return undefined;
    return [...others, matcherOf(wanted.map(storedTenant))];
  }

  /** Labels of the store as these tenants see them. */
  reveal(labels: Labels): Labels {
    if (this.isFederated)
      return labels.has(TENANT_LABEL) ? labels : labels.with(TENANT_LABEL, ANONYMOUS);
    return labels.drop(TENANT_NAMES);
  }
}

function matcherOf(stored: readonly string[]): Matcher {
  const [only] = stored;
  if (stored.length === 1) return createMatcher(TENANT_LABEL, "=", only!);
  const escaped = stored.map((tenant) => tenant.replaceAll(/[.*()\-!']/g, "\\$&"));
  return createMatcher(TENANT_LABEL, "=~", escaped.join("|"));
}
