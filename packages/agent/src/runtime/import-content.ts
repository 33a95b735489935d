/** What `import.*` blocks bring: texts with their names, and the contents of imports that stand in them. */
import type { Block, Source, Statement } from "@finch/alloy-syntax";
import type { BlockSchema, ValuesOf } from "../schema.ts";

export interface ImportedFile {
  readonly source: Source;
  /** What `module_path` is in it. */
  readonly modulePath: string;
}

/** Where content comes from. */
export interface ImportOrigin {
  /** `import.file`, … */
  readonly name: string;
  readonly values: ValuesOf<BlockSchema>;
  /** Of the file that the block stands in. */
  readonly modulePath: string;
}

export interface ImportContent {
  readonly origin: ImportOrigin;
  readonly files: readonly ImportedFile[];
  /** Of import blocks in the files, by the block's id; those whose arguments are not known are left out. */
  readonly nested: ImportContents;
}

/** By id of the import block: `import.file.lib`. */
export type ImportContents = ReadonlyMap<string, ImportContent>;

/** A block as it stands somewhere. */
export interface WrittenImport {
  readonly block: Block;
  readonly source: Source;
  readonly modulePath: string;
}

export interface ImportLoader {
  /**
   * The content of an import, with that of imports inside; undefined when its arguments depend on what runs, or when it is not looked at (by
   * validation, which stays on this machine). `known` is what the block had before: it stands in when its origin is the same and cannot be
   * reached now, so that a server that is away for a moment does not keep a configuration from being loaded again. Throws a `ConfigError` for
   * content that does not parse, another `FinchError` for what cannot be fetched.
   */
  load(
    written: WrittenImport,
    known: ImportContent | undefined,
  ): Promise<ImportContent | undefined>;
  /** As {@link load}, of arguments that are known. */
  fetch(origin: ImportOrigin, signal?: AbortSignal): Promise<ImportContent>;
}

export function isImport(statement: Statement): statement is Block {
  return (
    statement.kind === "block" && statement.name.startsWith("import.") && statement.label !== ""
  );
}

export function importId(block: Block): string {
  return `${block.name}.${block.label}`;
}

/** Whether two contents mean the same; where they come from does not count. */
export function sameContent(a: ImportContent | undefined, b: ImportContent): boolean {
  if (a === undefined || a.files.length !== b.files.length || a.nested.size !== b.nested.size)
    return false;
  const sameFiles = a.files.every(({ source, modulePath }, index) => {
    const other = b.files[index]!;
    return (
      source.name === other.source.name &&
      source.text === other.source.text &&
      modulePath === other.modulePath
    );
  });
  if (!sameFiles) return false;
  return [...a.nested].every(([id, content]) => {
    const other = b.nested.get(id);
    return other !== undefined && sameContent(content, other);
  });
}
