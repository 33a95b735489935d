/**
 * The syntax of Go's text/template: text, pipelines, variables, if, with, range, else, break, continue, define, template, block, trim markers and
 * comments. Parsed once, before any data is seen; unknown functions are refused here.
 */
import { unescapeGo } from "./conversions.ts";
import { TEMPLATE_NESTING_MAX } from "./limits.ts";
import { BUILT_IN_FUNCTIONS } from "./template-built-ins.ts";

/** A template that is none. */
export class TemplateFault extends Error {
  override readonly name = "TemplateFault";
  /** Offset in the template's text: of the character that is wrong, else of the action it stands in. */
  readonly at: number;
  /** Set when the template is right, but uses what is not built yet. */
  readonly unsupported: string | undefined;

  constructor(message: string, at: number, unsupported?: string) {
    super(message);
    this.at = at;
    this.unsupported = unsupported;
  }
}

/** Built-ins of text/template that call what the values here cannot hold. */
const REFUSED_NAMES: ReadonlySet<string> = new Set(["call"]);

/** The functions a template may name beside the built-in ones. */
export interface FunctionNames {
  has(name: string): boolean;
}

export type TemplateNode =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly pipeline: TemplatePipeline }
  | TemplateBlock
  | TemplateCall
  | { readonly kind: "break" }
  | { readonly kind: "continue" };

export interface TemplateBlock {
  readonly kind: "if" | "with" | "range";
  readonly pipeline: TemplatePipeline;
  readonly body: readonly TemplateNode[];
  readonly otherwise: readonly TemplateNode[];
}

/** `template` and `block`: runs a template of that name, with the value of the pipeline for its dot, or none. */
export interface TemplateCall {
  readonly kind: "template";
  readonly name: string;
  readonly pipeline: TemplatePipeline | undefined;
  /** All that the text defines, also further down. */
  readonly templates: ReadonlyMap<string, readonly TemplateNode[]>;
}

export interface TemplatePipeline {
  /** Names that are declared or assigned, without `$`. */
  readonly variables: readonly string[];
  readonly declares: boolean;
  readonly commands: readonly TemplateCommand[];
}

/** The first operand is a function name or a value, the others its arguments. */
export interface TemplateCommand {
  readonly operands: readonly TemplateOperand[];
}

export type TemplateOperand =
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "field"; readonly path: readonly string[] }
  | { readonly kind: "variable"; readonly name: string; readonly path: readonly string[] }
  | {
      readonly kind: "pipeline";
      readonly pipeline: TemplatePipeline;
      readonly path: readonly string[];
    }
  | { readonly kind: "constant"; readonly value: string | number | bigint | boolean | null };

/** Throws a {@link TemplateFault}. */
export function parseTemplate(text: string, functions: FunctionNames): readonly TemplateNode[] {
  const pieces = splitActions(text);
  const templates = new Map<string, readonly TemplateNode[]>();
  const parser: Parser = { text, functions, pieces, templates, index: 0, at: 0, variables: [""] };
  const { nodes, closer } = parseList(parser, 0, false);
  if (closer !== undefined) fail(parser, `unexpected {{${closer.join(" ")}}}`);
  return nodes;
}

/** Fails at the action that is being parsed. */
function fail({ text, at }: Parser, message: string): never {
  throw faultAt(text, at, message);
}

function faultAt(text: string, at: number, message: string): TemplateFault {
  const line = text.slice(0, at).split("\n").length;
  return new TemplateFault(`template: :${line}: ${message}`, at);
}

type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly at: number; readonly words: readonly string[] };

/** Cuts at `{{` and `}}`, applies the trim markers, and splits each action into words. */
function splitActions(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let offset = 0;
  let trimNext = false;
  for (;;) {
    const open = text.indexOf("{{", offset);
    let before = text.slice(offset, open < 0 ? undefined : open);
    if (trimNext) before = before.trimStart();
    const trimBefore = open >= 0 && /^-[ \t\r\n]/.test(text.slice(open + 2, open + 4));
    if (trimBefore) before = before.trimEnd();
    if (before !== "") pieces.push({ kind: "text", text: before });
    if (open < 0) return pieces;
    const start = open + (trimBefore ? 3 : 2);
    const comment = /^\s*\/\*[^]*?\*\/\s*?( -)?\}\}/.exec(text.slice(start));
    if (comment !== null) {
      offset = start + comment[0].length;
      trimNext = comment[1] !== undefined;
      continue;
    }
    const { words, end, trimAfter } = scanAction(text, start);
    pieces.push({ kind: "action", at: open, words });
    offset = end;
    trimNext = trimAfter;
  }
}

const WORD =
  /[ \t\r\n]+|"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\]|\\.)+'|:=|[-+]?(?:0[xX][\da-fA-F_]+|\d[\d_]*\.?[\d_]*(?:[eE][+-]?\d+)?|\.\d+)|[|(),=]|\$[\w\p{L}]*(?:\.[\w\p{L}]+)*|(?:\.[\w\p{L}]+)+|\.|[\w\p{L}]+/uy;

function scanAction(
  text: string,
  start: number,
): { readonly words: readonly string[]; readonly end: number; readonly trimAfter: boolean } {
  const words: string[] = [];
  for (let i = start; ;) {
    const closing = /^\s+-\}\}/.exec(text.slice(i, i + 64));
    if (closing !== null) return { words, end: i + closing[0].length, trimAfter: true };
    if (text.startsWith("}}", i)) return { words, end: i + 2, trimAfter: false };
    if (i >= text.length) throw faultAt(text, i, "unclosed action");
    WORD.lastIndex = i;
    const word = WORD.exec(text)?.[0];
    if (word === undefined) {
      const bad = text[i]!;
      const what =
        bad === '"' ? "unterminated quoted string" : `unexpected ${JSON.stringify(bad)} in command`;
      throw faultAt(text, i, what);
    }
    // A space matters only between `)` or a word and a field; it is kept as one blank.
    words.push(/^\s/.test(word) ? " " : word);
    i += word.length;
  }
}

interface Parser {
  readonly text: string;
  readonly functions: FunctionNames;
  readonly pieces: readonly Piece[];
  readonly templates: Map<string, readonly TemplateNode[]>;
  index: number;
  /** Where the action stands that is being parsed. */
  at: number;
  /** Variables in scope, innermost last. */
  variables: string[];
}

interface List {
  readonly nodes: readonly TemplateNode[];
  /** The words of the `end` or `else …` that ended the list; undefined at the end of the text. */
  readonly closer: readonly string[] | undefined;
}

const BLOCKS = new Set(["if", "with", "range"]);

function parseList(parser: Parser, depth: number, inRange: boolean): List {
  if (depth > TEMPLATE_NESTING_MAX)
    fail(parser, `nested deeper than ${TEMPLATE_NESTING_MAX} levels`);
  const nodes: TemplateNode[] = [];
  while (parser.index < parser.pieces.length) {
    const piece = parser.pieces[parser.index++]!;
    if (piece.kind === "text") {
      nodes.push(piece);
      continue;
    }
    parser.at = piece.at;
    const words = piece.words.filter((word, i) => word !== " " || needsBlank(piece.words, i));
    const [first] = words;
    if (first === undefined) fail(parser, "missing value for command");
    if (first === "end" || first === "else") return { nodes, closer: words };
    if (BLOCKS.has(first)) nodes.push(parseBlock(parser, words, depth, inRange));
    else if (first === "break" || first === "continue") {
      if (!inRange) fail(parser, `{{${first}}} outside {{range}}`);
      nodes.push({ kind: first });
    } else if (first === "define") {
      if (depth > 0) fail(parser, "unexpected {{define}}");
      define(parser, nameOfTemplate(parser, words), depth);
    } else if (first === "template" || first === "block") {
      nodes.push(parseCall(parser, words, depth));
    } else nodes.push({ kind: "action", pipeline: parsePipeline(parser, words, 0, words.length) });
  }
  return { nodes, closer: undefined };
}

/** Blanks matter only where they keep `) .x` apart from `).x`. */
function needsBlank(words: readonly string[], i: number): boolean {
  return words[i - 1] === ")" && (words[i + 1]?.startsWith(".") ?? false);
}

function parseBlock(
  parser: Parser,
  words: readonly string[],
  depth: number,
  inRange: boolean,
): TemplateNode {
  const kind = words[0] as "if" | "with" | "range";
  const scope = parser.variables.length;
  if (words.length === 1) fail(parser, `missing value for ${kind}`);
  const pipeline = parsePipeline(parser, words, 1, words.length);
  const loops = inRange || kind === "range";
  const { nodes: body, closer } = parseList(parser, depth + 1, loops);
  if (closer === undefined) fail(parser, "unexpected EOF");
  let otherwise: readonly TemplateNode[] = [];
  if (closer[0] === "else") {
    if (closer.length > 1) {
      if (closer[1] !== "if" && closer[1] !== "with") {
        fail(parser, `unexpected ${closer[1]} in else`);
      }
      otherwise = [parseBlock(parser, closer.slice(1), depth + 1, inRange)];
    } else {
      const rest = parseList(parser, depth + 1, inRange);
      if (rest.closer?.[0] !== "end") fail(parser, "expected end");
      otherwise = rest.nodes;
    }
  }
  parser.variables.length = scope;
  return { kind, pipeline, body, otherwise };
}

function nameOfTemplate(parser: Parser, [action, name]: readonly string[]): string {
  const quote = name?.[0];
  if (quote !== '"' && quote !== "`")
    fail(parser, `unexpected ${name ?? "end"} in ${action} clause`);
  const operand = parseOperand(parser, name!);
  return operand.kind === "constant" ? String(operand.value) : "";
}

/** Reads the body of a template up to its end; nothing outside is known in it. */
function define(parser: Parser, name: string, depth: number): void {
  const outside = parser.variables;
  parser.variables = [""];
  const { nodes, closer } = parseList(parser, depth + 1, false);
  if (closer?.[0] !== "end") fail(parser, "unexpected EOF");
  parser.variables = outside;
  parser.templates.set(name, nodes);
}

function parseCall(parser: Parser, words: readonly string[], depth: number): TemplateCall {
  const isBlock = words[0] === "block";
  const name = nameOfTemplate(parser, words);
  if (isBlock && words.length === 2) fail(parser, "missing value for block clause");
  const pipeline = words.length === 2 ? undefined : parsePipeline(parser, words, 2, words.length);
  if (isBlock) define(parser, name, depth);
  return { kind: "template", name, pipeline, templates: parser.templates };
}

function parsePipeline(
  parser: Parser,
  words: readonly string[],
  from: number,
  to: number,
): TemplatePipeline {
  refuseDeepParentheses(parser, words, from, to);
  let start = from;
  const assignment = words.slice(from, to).findIndex((word) => word === ":=" || word === "=");
  let variables: string[] = [];
  let declares = false;
  if (assignment >= 0) {
    const targets = words.slice(from, from + assignment).filter((word) => word !== ",");
    variables = targets.map((word) => word.slice(1));
    declares = words[from + assignment] === ":=";
    const isWrong = (word: string) => !word.startsWith("$") || word.includes(".");
    if (targets.length === 0 || targets.length > 2 || targets.some(isWrong)) {
      fail(parser, "bad variable declaration");
    }
    start = from + assignment + 1;
  }
  const commands: TemplateCommand[] = [];
  let begin = start;
  let depth = 0;
  for (let i = start; i <= to; i++) {
    const word = words[i];
    if (i < to && word === "(") depth++;
    else if (i < to && word === ")") depth--;
    else if (i === to || (word === "|" && depth === 0)) {
      commands.push(parseCommand(parser, words, begin, i));
      begin = i + 1;
    }
  }
  if (depth !== 0) fail(parser, "unclosed left paren");
  for (const name of variables) {
    if (declares) parser.variables.push(name);
    else if (!parser.variables.includes(name)) undefinedVariable(parser, name);
  }
  return { variables, declares, commands };
}

/** Looked at before any recursion; the pipelines inside are shallower, so they pass at little cost. */
function refuseDeepParentheses(
  parser: Parser,
  words: readonly string[],
  from: number,
  to: number,
): void {
  let depth = 0;
  for (let i = from; i < to; i++) {
    if (words[i] === "(" && ++depth > TEMPLATE_NESTING_MAX)
      fail(parser, `parentheses nested deeper than ${TEMPLATE_NESTING_MAX} levels`);
    if (words[i] === ")") depth--;
  }
}

function undefinedVariable(parser: Parser, name: string): never {
  fail(parser, `undefined variable "$${name}"`);
}

function parseCommand(
  parser: Parser,
  words: readonly string[],
  from: number,
  to: number,
): TemplateCommand {
  const operands: TemplateOperand[] = [];
  for (let i = from; i < to; i++) {
    if (words[i] === " ") continue;
    if (words[i] !== "(") {
      operands.push(parseOperand(parser, words[i]!));
      continue;
    }
    const close = closingParenthesis(parser, words, i, to);
    const pipeline = parsePipeline(parser, words, i + 1, close);
    i = close;
    const field = words[i + 1];
    const path = i + 1 < to && field!.startsWith(".") && field !== "." ? fieldPath(field!) : [];
    if (path.length > 0) i++;
    operands.push({ kind: "pipeline", pipeline, path });
  }
  if (operands.length === 0) fail(parser, "missing value for command");
  return { operands };
}

function closingParenthesis(
  parser: Parser,
  words: readonly string[],
  open: number,
  to: number,
): number {
  let depth = 0;
  for (let i = open; i < to; i++) {
    if (words[i] === "(") depth++;
    if (words[i] === ")" && --depth === 0) return i;
  }
  fail(parser, "unclosed left paren");
}

function fieldPath(word: string): readonly string[] {
  return word.split(".").slice(1);
}

function parseOperand(parser: Parser, word: string): TemplateOperand {
  const first = word[0]!;
  if (first === ".") return { kind: "field", path: word === "." ? [] : fieldPath(word) };
  if (first === "$") {
    const [name, ...path] = word.slice(1).split(".");
    if (!parser.variables.includes(name!)) undefinedVariable(parser, name!);
    return { kind: "variable", name: name!, path };
  }
  if (first === '"') {
    const text = unescapeGo(word.slice(1, -1));
    if (text === undefined) fail(parser, `invalid syntax ${word}`);
    return { kind: "constant", value: text };
  }
  if (first === "`") return { kind: "constant", value: word.slice(1, -1) };
  if (first === "'") {
    const text = unescapeGo(word.slice(1, -1)) ?? "";
    return { kind: "constant", value: BigInt(text.codePointAt(0) ?? 0) };
  }
  if (/^[-+]?[\d.]/.test(word)) return { kind: "constant", value: parseNumber(word) };
  if (word === "true" || word === "false") return { kind: "constant", value: word === "true" };
  if (word === "nil") return { kind: "constant", value: null };
  if (!/^[\w\p{L}]+$/u.test(word)) {
    fail(parser, `unexpected ${JSON.stringify(word)} in operand`);
  }
  if (REFUSED_NAMES.has(word)) {
    throw new TemplateFault(
      `function ${word} is not built`,
      parser.at,
      `template function ${word}`,
    );
  }
  if (!parser.functions.has(word) && !Object.hasOwn(BUILT_IN_FUNCTIONS, word)) {
    fail(parser, `function ${JSON.stringify(word)} not defined`);
  }
  return { kind: "function", name: word };
}

function parseNumber(written: string): number | bigint {
  const word = written.replaceAll("_", "");
  if (/^[-+]?(?:\d+|0[xX][\da-fA-F]+)$/.test(word)) {
    const magnitude = BigInt(word.replace(/^[-+]/, ""));
    return word.startsWith("-") ? -magnitude : magnitude;
  }
  return Number(word);
}

/** The fields a template reads of its root (`.foo`); undefined when it may read any (`.` handed on as a whole). */
export function fieldsOfTemplate(nodes: readonly TemplateNode[]): ReadonlySet<string> | undefined {
  const names = new Set<string>();
  const visitPipeline = (pipeline: TemplatePipeline): boolean =>
    pipeline.commands.every((command) => command.operands.every(visitOperand));
  const visitOperand = (operand: TemplateOperand): boolean => {
    if (operand.kind === "pipeline") return visitPipeline(operand.pipeline);
    if (operand.kind !== "field" && operand.kind !== "variable") return true;
    // `$` is the root; the dot may have become another value inside range and with, which then only adds names.
    if (operand.path.length === 0) return operand.kind === "variable" && operand.name !== "";
    names.add(operand.path[0]!);
    return true;
  };
  const visit = (list: readonly TemplateNode[]): boolean =>
    list.every((node) => {
      if (node.kind === "action") return visitPipeline(node.pipeline);
      // What it reads of the root is given to it by the pipeline.
      if (node.kind === "template")
        return node.pipeline === undefined || visitPipeline(node.pipeline);
      if (node.kind !== "if" && node.kind !== "with" && node.kind !== "range") return true;
      return visitPipeline(node.pipeline) && visit(node.body) && visit(node.otherwise);
    });
  return visit(nodes) ? names : undefined;
}
