/** Files that are replaced as a whole: after a crash there is the old content or the new one. */
import type { FileSystem } from "@finch/runtime";

export async function replaceFile(
  fileSystem: FileSystem,
  { directory, name }: { readonly directory: string; readonly name: string },
  text: string,
): Promise<void> {
  const temporary = `${directory}/${name}.tmp`;
  const file = await fileSystem.open(temporary, "log");
  try {
    await file.write(new TextEncoder().encode(text), 0);
  } finally {
    await file.close();
  }
  await fileSystem.rename(temporary, `${directory}/${name}`);
  await fileSystem.syncDirectory(directory);
}
