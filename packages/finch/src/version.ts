/** Where this program stands on disk, and its version. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The folder of the package, `packages/finch`. */
const PACKAGE_ROOT = join(import.meta.dirname, "..");

/** The root of the checkout or installation. */
export const PROJECT_ROOT = join(PACKAGE_ROOT, "..", "..");

/** From package.json, such as `0.1.0`. */
export function readVersion(): string {
  const text = readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
