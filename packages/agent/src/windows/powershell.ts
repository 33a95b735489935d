/**
 * Asks Windows through one PowerShell process that stays: for each line it is sent it answers all its queries with one line of JSON. Everything comes as
 * text, since counters are larger than the numbers of JSON are exact.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { FinchError } from "@finch/runtime";
import { unlessAborted } from "../until-aborted.ts";

/** Objects of a CIM class, or the values of a registry key (`HKLM:\SYSTEM\…`) as one object. */
export type Query =
  | {
      readonly namespace: string;
      readonly className: string;
      readonly properties: readonly string[];
    }
  | { readonly registry: string; readonly properties: readonly string[] };

/** Properties by name; what an object lacks is empty. Times are ISO 8601 in UTC, lists joined with commas. */
export type Row = Readonly<Record<string, string>>;

/** What a query is answered with. */
export type Answer = { readonly rows: readonly Row[] } | { readonly error: string };

const PROGRAM = "powershell.exe";

/** Where the process is started with `-EncodedCommand`; another program in tests. */
export interface PowershellProgram {
  readonly path: string;
  /** Before those of PowerShell. */
  readonly args: readonly string[];
}

export const POWERSHELL: PowershellProgram = { path: PROGRAM, args: [] };

/** The program that is run; the queries stand in it as JSON. */
export function powershellScript(queries: readonly Query[]): string {
  const json = JSON.stringify(queries).replaceAll("'", "''");
  return `$ErrorActionPreference = 'Stop'
[Console]::OutputEncoding = New-Object Text.UTF8Encoding $false
$culture = [Globalization.CultureInfo]::InvariantCulture
function Text($value) {
  if ($null -eq $value) { return '' }
  if ($value -is [datetime]) { return $value.ToUniversalTime().ToString('o', $culture) }
  if ($value -is [array]) { return (@($value | ForEach-Object { Text $_ }) -join ',') }
  return [Convert]::ToString($value, $culture)
}
$queries = ConvertFrom-Json '${json}'
while ($null -ne [Console]::In.ReadLine()) {
  $answers = @(foreach ($query in $queries) {
    try {
      if ($query.registry) { $found = @(Get-ItemProperty -LiteralPath $query.registry) }
      else { $found = @(Get-CimInstance -Namespace $query.namespace -ClassName $query.className) }
      $rows = @(foreach ($object in $found) { , @(foreach ($name in $query.properties) { Text $object.$name }) })
      @{ rows = $rows }
    } catch { @{ error = [string]$_.Exception.Message } }
  })
  [Console]::Out.WriteLine((ConvertTo-Json -InputObject $answers -Depth 5 -Compress))
  [Console]::Out.Flush()
}
`;
}

/** Reads one line of the program's answers. Throws `agent/powershell` when it is none. */
export function parseAnswers(line: string, queries: readonly Query[]): readonly Answer[] {
  let answers: unknown;
  try {
    answers = JSON.parse(line);
  } catch (cause) {
    throw badAnswer(`PowerShell says ${JSON.stringify(line.slice(0, 200))}`, cause);
  }
  if (!Array.isArray(answers) || answers.length !== queries.length)
    throw badAnswer(`PowerShell does not answer ${queries.length} queries`);
  return answers.map((answer: unknown, index) => toAnswer(answer, queries[index]!));
}

function toAnswer(answer: unknown, { properties }: Query): Answer {
  const { rows, error } = (answer ?? {}) as { readonly rows?: unknown; readonly error?: unknown };
  if (typeof error === "string") return { error };
  if (!Array.isArray(rows))
    throw badAnswer("PowerShell answers a query with neither rows nor error");
  return {
    rows: rows.map((cells: unknown) => {
      const values: unknown[] = Array.isArray(cells) ? cells : [cells];
      return Object.fromEntries(properties.map((name, index) => [name, textOf(values[index])]));
    }),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function badAnswer(message: string, cause?: unknown): FinchError {
  return new FinchError("invalid", "agent/powershell", message, { cause });
}

interface Session {
  readonly child: ChildProcess;
  readonly lines: AsyncIterator<string>;
  /** Rejects when the process cannot be started. */
  readonly failed: Promise<never>;
}

/** One process, started when it is first asked and again after it has failed. Questions are asked one after the other. */
export class Powershell implements Disposable {
  readonly #program: PowershellProgram;
  readonly #queries: readonly Query[];
  #session: Session | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(program: PowershellProgram, queries: readonly Query[]) {
    this.#program = program;
    this.#queries = queries;
  }

  /** An answer to each query. Rejects with `agent/powershell`, or with the signal's reason; the process is started anew then. */
  ask(signal: AbortSignal): Promise<readonly Answer[]> {
    const answer = this.#turn.then(() => this.#ask(signal));
    this.#turn = answer.catch(() => {});
    return answer;
  }

  async #ask(signal: AbortSignal): Promise<readonly Answer[]> {
    signal.throwIfAborted();
    try {
      const { child, lines, failed } = (this.#session ??= this.#start());
      child.stdin!.write("\n");
      const next = await unlessAborted(Promise.race([lines.next(), failed]), signal);
      if (next.done === true) throw badAnswer("PowerShell has ended");
      return parseAnswers(next.value, this.#queries);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #start(): Session {
    const { path, args } = this.#program;
    const script = Buffer.from(powershellScript(this.#queries), "utf16le").toString("base64");
    const child = spawn(
      path,
      [...args, "-NoLogo", "-NoProfile", "-NonInteractive", "-EncodedCommand", script],
      { stdio: ["pipe", "pipe", "ignore"], windowsHide: true },
    );
    const failed = new Promise<never>((_, reject) => {
      child.once("error", (cause) =>
        reject(new FinchError("unavailable", "agent/powershell", `cannot run ${path}`, { cause })),
      );
    });
    failed.catch(() => {});
    // A process that ends while it is written to is told by its output.
    child.stdin.on("error", () => {});
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { child, lines, failed };
  }

  [Symbol.dispose](): void {
    this.#session?.child.kill();
    this.#session = undefined;
  }
}
