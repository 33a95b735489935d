/** Where this program stands on disk, and its version. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** The folder of the package, `packages/finch`. */
const PACKAGE_ROOT = join(import.meta.dirname, "..");

/** The root of the checkout or installation. */
export const PROJECT_ROOT = join(PACKAGE_ROOT, "..", "..");

export async function readVersion(): Promise<string> {
  const text = await readFile(join(PACKAGE_ROOT, "package.json"), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
