/** Variables of the environment in a configuration's text, as Promtail and the static agent put them in before they read it as YAML. */
import { FinchError } from "@finch/runtime";

export type ReadVariable = (name: string) => string | undefined;

export interface ExpandOptions {
  /** Stands for the file in messages. */
  readonly name: string;
  readonly env: ReadVariable;
  /** Whether `${1}`, as in relabelling rules, stays as it is. */
  readonly keepsNumbers: boolean;
}

/** What is escaped, or a variable. */
const PART = /\$\$|\\[\\/]|\$\{([^}]*)\}/g;

/**
 * `${NAME}`, `${NAME:-default}`, `${NAME-default}` and the same with `=`; `$$`, `\\` and `\/` are the second of their characters. Throws
 * `agent/bad-yaml` for other forms.
 */
export function expandVariables(text: string, options: ExpandOptions): string {
  const { name: file, env, keepsNumbers } = options;
  return text.replaceAll(PART, (whole, inner: string | undefined, offset: number) => {
    if (inner === undefined) return whole[1]!;
    if (keepsNumbers && /^\d+$/.test(inner)) return whole;
    const match = /^(\w+)(?:(:?)[-=](.*))?$/s.exec(inner);
    if (match === null) {
      const message = `${placeOf(text, offset, file)}: ${whole} is no variable that can be replaced; write \${NAME} or \${NAME:-default}`;
      throw new FinchError("invalid", "agent/bad-yaml", message);
    }
    const [, name, colon, fallback] = match;
    const value = env(name!);
    const isMissing = colon === ":" ? (value ?? "") === "" : value === undefined;
    return isMissing ? unquote(fallback ?? "") : value!;
  });
}

/** The first that looks like a variable of the environment, with its place; names of groups in rules are seldom in capitals. */
export function findVariable(text: string, name: string): string | undefined {
  const match = /\$\{[A-Z][A-Z0-9_]*(?:[:=-][^}]*)?\}/.exec(text);
  return match === null ? undefined : `${placeOf(text, match.index, name)}: ${match[0]}`;
}

function placeOf(text: string, offset: number, name: string): string {
  const before = text.slice(0, offset).split("\n");
  return `${name}:${before.length}:${before.at(-1)!.length + 1}`;
}

function unquote(text: string): string {
  return /^'.*'$/s.test(text) || /^".*"$/s.test(text) ? text.slice(1, -1) : text;
}
