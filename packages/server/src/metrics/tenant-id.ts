/** Names of tenants as the header `X-Scope-OrgID` gives them, by the rules of Mimir. */
import { FinchError } from "@finch/runtime";

/** Whose data it is that carries no tenant: everything written while tenants are off. */
export const ANONYMOUS = "anonymous";
const LENGTH_MAX = 150;
/** Tenants one request may read together; each is a search of the label index. */
const TENANTS_MAX = 100;

/** The tenants of `X-Scope-OrgID`, separated by `|`: each once, sorted. Throws a `server/bad-tenant`; undefined when there is no header. */
export function parseTenants(header: string): readonly string[] | undefined {
  if (header === "") return undefined;
  const tenants = [...new Set(header.split("|").map((tenant) => tenant.trim()))].toSorted();
  if (tenants.length > TENANTS_MAX)
    throw bad(`too many tenants: ${tenants.length}, limit ${TENANTS_MAX}`);
  for (const tenant of tenants) {
    const fault = faultOf(tenant);
    if (fault !== undefined) throw bad(fault);
  }
  return tenants;
}

function faultOf(tenant: string): string | undefined {
  if (tenant === "") return "no org id between the bars of X-Scope-OrgID";
  if (tenant.length > LENGTH_MAX) return `tenant ID is too long: max ${LENGTH_MAX} characters`;
  if (tenant === "." || tenant === "..") return "tenant ID is '.' or '..'";
  const odd = /[^A-Za-z0-9!\-_.*'()]/u.exec(tenant);
  return odd === null
    ? undefined
    : `tenant ID '${tenant}' contains unsupported character '${odd[0]}'`;
}

function bad(message: string): FinchError {
  return new FinchError("invalid", "server/bad-tenant", message);
}
