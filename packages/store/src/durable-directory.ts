/** Directories that a power cut does not take back. */
import { dirname } from "node:path";
import type { FileSystem } from "@finch/runtime";

/** Makes a directory and, where they are missing, those above it; its name and its parent's are durable. */
export async function makeDurableDirectory(
  fileSystem: FileSystem,
  directory: string,
): Promise<void> {
  await fileSystem.makeDirectory(directory);
  const parent = dirname(directory);
  await fileSystem.syncDirectory(parent);
  await fileSystem.syncDirectory(dirname(parent)).catch((error: NodeJS.ErrnoException) => {
    // What holds the data directory may be closed to us; then it was made by somebody else.
    if (error.code !== "EACCES" && error.code !== "EPERM") throw error;
  });
}
