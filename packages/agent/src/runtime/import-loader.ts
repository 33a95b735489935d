/** Fetches what `import.*` blocks name: files, texts, answers of servers, files of Git repositories. */
import { stat } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { decodeSource, evaluate, parseFile, referencesOf, Source } from "@finch/alloy-syntax";
import type { Attribute, Diagnostic, ObjectValue, Value } from "@finch/alloy-syntax";
import { FinchError } from "@finch/runtime";
import type { FileSystem } from "@finch/runtime";
import { httpClientOptions } from "../http-client-schema.ts";
import { createHttpClient } from "../http-client.ts";
import { ConfigError } from "./config-error.ts";
import { readConfig } from "./config-source.ts";
import { decodeBody, headerOf } from "./decode-body.ts";
import { sameData } from "./export-value.ts";
import { GitRepository } from "./git-repository.ts";
import { IMPORTS } from "./import-blocks.ts";
import type {
  FileArguments,
  GitArguments,
  HttpArguments,
  StringArguments,
} from "./import-blocks.ts";
import { importId, isImport } from "./import-content.ts";
import type {
  ImportContent,
  ImportedFile,
  ImportLoader,
  ImportOrigin,
  WrittenImport,
} from "./import-content.ts";
import { IMPORT_BYTES_MAX, IMPORT_DEPTH_MAX } from "./limits.ts";

export interface ImportLoaderOptions {
  readonly library: ObjectValue;
  readonly fileSystem: FileSystem;
  /** Where clones are kept. */
  readonly storagePath: string;
  /** Imports that are fetched; those of other names are left out, as if their arguments were not known. */
  readonly names: readonly (keyof typeof IMPORTS)[];
}

export function createImportLoader(options: ImportLoaderOptions): ImportLoader {
  const never = new AbortController().signal;
  return {
    load: (written, known) => load(written, known, { ...options, depth: 0, signal: never }),
    fetch: (origin, signal = never) => fetchContent(origin, { ...options, depth: 0, signal }),
  };
}

/** For validation: what is in texts is looked at, nothing is opened or asked. */
export function createTextImportLoader(library: ObjectValue, fileSystem: FileSystem): ImportLoader {
  return createImportLoader({ library, fileSystem, storagePath: "", names: ["import.string"] });
}

interface Loading extends ImportLoaderOptions {
  readonly depth: number;
  readonly signal: AbortSignal;
}

async function load(
  written: WrittenImport,
  known: ImportContent | undefined,
  loading: Loading,
): Promise<ImportContent | undefined> {
  const { block, source, modulePath } = written;
  const name = block.name as keyof typeof IMPORTS;
  if (!Object.hasOwn(IMPORTS, name) || !loading.names.includes(name)) return undefined;
  const diagnostics: Diagnostic[] = [];
  let isKnown = true;
  const scope = {
    resolve: ([first]: readonly string[]) => {
      const value = first === "module_path" ? modulePath : loading.library.get(first!);
      return value === undefined ? undefined : { value, length: 1 };
    },
    names: () => loading.library.keys(),
  };
  const evaluateAttribute = (attribute: Attribute): Value | undefined => {
    const dependsOnRunning = referencesOf([attribute]).some(
      ({ path }) => path[0] !== "module_path" && !loading.library.has(path[0]!),
    );
    if (dependsOnRunning) {
      isKnown = false;
      return undefined;
    }
    const result = evaluate(attribute.value, source, scope);
    if (result.ok) return result.value;
    diagnostics.push(result.diagnostic);
    return undefined;
  };
  const definition = IMPORTS[name];
  const context = { source, header: headerOf(block), evaluateAttribute, diagnostics };
  const { values, isComplete } = decodeBody(block.body, definition.arguments, context);
  // Bad arguments are told by the check of the graph, with all others.
  if (!isComplete || !isKnown || diagnostics.length > 0) return undefined;
  if ("check" in definition && definition.check(values as never) !== undefined) return undefined;
  try {
    return await fetchContent({ name, values, modulePath }, loading);
  } catch (error) {
    if (!(error instanceof FinchError) || error instanceof ConfigError) throw error;
    if (known === undefined || !sameData(known.origin.values, values)) throw error;
    return known;
  }
}

async function fetchContent(origin: ImportOrigin, loading: Loading): Promise<ImportContent> {
  if (loading.depth > IMPORT_DEPTH_MAX)
    throw new FinchError(
      "invalid",
      "agent/import-depth",
      `imports are nested deeper than ${IMPORT_DEPTH_MAX}: does a file import itself?`,
    );
  const files = await fetchFiles(origin, loading);
  const nested = new Map<string, ImportContent>();
  for (const { source, modulePath } of files) {
    const { file, diagnostics } = parseFile(source);
    if (diagnostics.length > 0) throw new ConfigError(diagnostics);
    for (const block of file.body) {
      if (!isImport(block)) continue;
      const inner = { ...loading, depth: loading.depth + 1 };
      const content = await load({ block, source, modulePath }, undefined, inner);
      if (content !== undefined) nested.set(importId(block), content);
    }
  }
  return { origin, files, nested };
}

async function fetchFiles(
  { name, values, modulePath }: ImportOrigin,
  loading: Loading,
): Promise<readonly ImportedFile[]> {
  if (name === "import.string") {
    const text = (values as StringArguments).content.reveal();
    return [{ source: new Source("import_string", text), modulePath }];
  }
  if (name === "import.http") return fetchHttp(values as HttpArguments, loading.signal);
  if (name === "import.file") {
    const { filename } = values as FileArguments;
    const isFolder = await isDirectory(filename);
    const sources = await readConfig({ path: filename }, loading.fileSystem);
    const folder = isFolder ? filename : dirname(filename);
    return sources.map((source) => ({ source, modulePath: folder }));
  }
  return fetchGit(values as GitArguments, loading);
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function fetchHttp(
  { url, method, headers, poll_timeout: timeoutMs, client: clientArguments }: HttpArguments,
  signal: AbortSignal,
): Promise<readonly ImportedFile[]> {
  using client = await createHttpClient(httpClientOptions(clientArguments));
  const answer = await client.request({
    method,
    url,
    headers,
    timeoutMs,
    signal,
    responseBytesMax: IMPORT_BYTES_MAX,
  });
  if (answer.status !== 200)
    throw new FinchError(
      "unavailable",
      "agent/import-status",
      `${url} answered ${answer.status}, not 200`,
    );
  return [{ source: decodeSource(url, answer.body), modulePath: `${posix.dirname(url)}/` }];
}

async function fetchGit(values: GitArguments, loading: Loading): Promise<readonly ImportedFile[]> {
  const repository = new GitRepository(values, loading.storagePath);
  await repository.update(loading.signal);
  const path = join(repository.path, values.path);
  if (path !== repository.path && !path.startsWith(`${repository.path}/`))
    throw new FinchError(
      "invalid",
      "agent/import-path",
      `path ${values.path} leads out of the repository`,
    );
  const sources = await readConfig({ path }, loading.fileSystem);
  return sources.map((source) => ({ source, modulePath: repository.path }));
}
