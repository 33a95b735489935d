/**
 * Cases of the evaluator, in YAML:
 *
 *     cases:
 *       - id: join
 *         expression: string.join(list, ",")    # or: expr, input
 *         scope: {list: [a, b]}                 # names besides those of the library; `{secret: x}` is a secret
 *         env: {HOME: /root}                    # environment variables
 *         value: a,b                            # or: expect, output, result; numbers compare by value
 *       - id: divide
 *         expression: 1 / 0
 *         error: divide by zero                 # or: error_contains; part of the message
 */
import {
  createStandardLibrary,
  equals,
  evaluate,
  formatDiagnosticLine,
  formatValue,
  parseExpression,
  Secret,
  Source,
} from "@finch/alloy-syntax";
import type { Value } from "@finch/alloy-syntax";
import { describeError } from "@finch/runtime";
import { readYaml } from "./case-files.ts";

type Case = Readonly<Record<string, unknown>>;

const EXPRESSION = ["expression", "expr", "input"];
const VALUE = ["value", "expect", "output", "result"];
const ERROR = ["error", "error_contains"];

/** Files without such cases, such as those of other commands, are skipped with a line. */
export async function runExpressionCases(
  path: string,
  print: (line: string) => void,
): Promise<{ passed: number; failed: number }> {
  let passed = 0;
  let failed = 0;
  const content = (await readYaml(path)) as { readonly cases?: unknown } | null;
  const cases = Array.isArray(content?.cases) ? (content.cases as readonly Case[]) : [];
  if (cases.length === 0 || pick(cases[0]!, EXPRESSION) === undefined) {
    print(`${path}: skipped, no cases of expressions`);
    return { passed, failed };
  }
  for (const [index, one] of cases.entries()) {
    let fault: string | undefined;
    try {
      fault = checkCase(one);
    } catch (error) {
      fault = describeError(error);
    }
    if (fault === undefined) passed++;
    else {
      failed++;
      print(`${path}: case ${index + 1} ${idOf(one)}: ${fault}`);
    }
  }
  return { passed, failed };
}

function idOf({ id }: Case): string {
  return typeof id === "string" || typeof id === "number" ? String(id) : "";
}

function pick(one: Case, names: readonly string[]): unknown {
  const name = names.find((key) => Object.hasOwn(one, key));
  return name === undefined ? undefined : one[name];
}

function checkCase(one: Case): string | undefined {
  const error = pick(one, ERROR);
  if (error !== undefined && typeof error !== "string") return "the expected error is no text";
  const outcome = run(one);
  if (error !== undefined) {
    if (outcome.ok) return `is ${formatValue(outcome.value)}, expected an error`;
    return outcome.message.includes(error) ? undefined : `${outcome.message}, expected ${error}`;
  }
  if (!outcome.ok) return outcome.message;
  const expected = toValue(pick(one, VALUE));
  return equals(outcome.value, expected)
    ? undefined
    : `is ${formatValue(outcome.value)}, expected ${formatValue(expected)}`;
}

type Outcome =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string };

function run(one: Case): Outcome {
  const text = pick(one, EXPRESSION);
  if (typeof text !== "string") return { ok: false, message: "the expression is no text" };
  const source = new Source("expression", text);
  const { expression, diagnostics } = parseExpression(source);
  if (expression === undefined || diagnostics.length > 0)
    return { ok: false, message: formatDiagnosticLine(diagnostics[0]!) };
  const variables = (one["env"] ?? {}) as Readonly<Record<string, string>>;
  const library = createStandardLibrary({
    env: (name) => (Object.hasOwn(variables, name) ? String(variables[name]) : undefined),
    hostname: "localhost",
    os: "linux",
    arch: "amd64",
    version: "v0.0.0",
  });
  const scope = Object.entries((one["scope"] ?? {}) as Case);
  const names = new Map([
    ...library,
    ...scope.map(([key, value]) => [key, toValue(value)] as const),
  ]);
  const result = evaluate(expression, source, {
    resolve: ([first]) =>
      names.has(first!) ? { value: names.get(first!)!, length: 1 } : undefined,
    names: () => names.keys(),
  });
  return result.ok ? result : { ok: false, message: formatDiagnosticLine(result.diagnostic) };
}

function toValue(given: unknown): Value {
  if (Array.isArray(given)) return given.map(toValue);
  if (typeof given === "number") return Number.isSafeInteger(given) ? BigInt(given) : given;
  if (typeof given !== "object" || given === null) return (given ?? null) as Value;
  const fields = Object.entries(given);
  const [first] = fields;
  if (fields.length === 1 && first![0] === "secret" && typeof first![1] === "string")
    return new Secret(first![1]);
  return new Map(fields.map(([key, value]) => [key, toValue(value)]));
}
