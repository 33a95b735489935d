/**
 * Writes a tree back as text in the one style of the language: tabs; `=` and trailing comments aligned within runs of neighbouring lines; a blank
 * line between blocks; arrays and objects as broken into lines as they were, with a comma behind the last line. Comments stay where they are.
 */
import type {
  ArrayLiteral,
  Attribute,
  Block,
  Call,
  Expression,
  File,
  ObjectLiteral,
  Statement,
} from "./ast.ts";
import { LinePrinter } from "./line-printer.ts";
import type { Source, Span } from "./source.ts";

/** The formatted text, ending in a newline; empty for an empty file. Formatting it again changes nothing. */
export function formatFile(file: File): string {
  const printer = new LinePrinter(file.source, file.comments);
  new Formatter(file.source, printer).body(file.body);
  return printer.finish();
}

class Formatter {
  readonly #source: Source;
  readonly #out: LinePrinter;

  constructor(source: Source, out: LinePrinter) {
    this.#source = source;
    this.#out = out;
  }

  #line(offset: number): number {
    return this.#source.lineOf(offset);
  }

  body(statements: readonly Statement[]): void {
    const out = this.#out;
    for (const [index, statement] of statements.entries()) {
      const before = statements[index - 1];
      if (before !== undefined) {
        const linesApart = this.#line(statement.start) - this.#line(before.end - 1);
        if (statement.kind === "block" || linesApart > 1) out.breakRun();
      }
      const isOneLine =
        statement.kind === "attribute" ? this.#attribute(statement) : this.#block(statement);
      // What spans several lines ends a run of aligned lines.
      if (isOneLine) out.newline();
      else out.breakRun();
    }
  }

  /** Whether it was written on one line. */
  #attribute(attribute: Attribute): boolean {
    const out = this.#out;
    out.token(attribute.name, attribute.start);
    const { row } = out;
    out.align();
    out.token("=", attribute.equals);
    out.blank();
    this.#expression(attribute.value);
    return out.row === row;
  }

  /** Whether it was written on one line. */
  #block(block: Block): boolean {
    const out = this.#out;
    out.token(block.name, block.start);
    const { row } = out;
    out.blank();
    if (block.labelSpan !== undefined) {
      out.token(JSON.stringify(block.label), block.labelSpan.start);
      out.blank();
    }
    out.token("{", block.openBrace);
    out.indent();
    if (block.body.length > 0) {
      out.breakRun();
      this.body(block.body);
    } else out.blank();
    out.unindent();
    out.token("}", block.closeBrace);
    return out.row === row;
  }

  #expression(expression: Expression): void {
    const out = this.#out;
    switch (expression.kind) {
      case "literal":
        return out.token(expression.text, expression.start);
      case "identifier":
        return out.token(expression.name, expression.start);
      case "access":
        this.#expression(expression.value);
        // `1.x` would be the number `1.` and a name.
        if (/^[0-9]+$/.test(this.#source.text.slice(expression.value.start, expression.value.end)))
          out.blank();
        out.token(".");
        return out.token(expression.name, expression.nameStart);
      case "index":
        this.#expression(expression.value);
        out.token("[", expression.openBracket);
        this.#expression(expression.index);
        return out.token("]", expression.end - 1);
      case "call":
        return this.#call(expression);
      case "unary":
        out.token(expression.operator, expression.start);
        return this.#expression(expression.operand);
      case "binary":
        this.#expression(expression.left);
        out.blank();
        out.token(expression.operator, expression.operatorStart);
        out.blank();
        return this.#expression(expression.right);
      case "paren":
        out.token("(", expression.start);
        this.#expression(expression.inner);
        return out.token(")", expression.end - 1);
      case "array":
        return this.#array(expression);
      case "object":
        return this.#object(expression);
      default:
        expression satisfies never;
    }
  }

  #array(array: ArrayLiteral): void {
    this.#out.token("[", array.start);
    this.#list(array.elements, { start: array.start, end: array.end });
    this.#out.token("]", array.end - 1);
  }

  #call(call: Call): void {
    this.#expression(call.callee);
    this.#out.token("(", call.openParen);
    this.#list(call.args, { start: call.openParen, end: call.end });
    this.#out.token(")", call.end - 1);
  }

  /** Elements between brackets; each stays on the line of the one before, or on one of its own, indented. */
  #list(elements: readonly Expression[], brackets: Span): void {
    const out = this.#out;
    let lastLine = this.#line(brackets.start);
    for (const [index, element] of elements.entries()) {
      const isOnNewLine = this.#line(element.start) !== lastLine;
      if (isOnNewLine) {
        out.indent();
        out.breakRun();
      } else if (index > 0) out.blank();
      this.#expression(element);
      lastLine = this.#line(element.end - 1);
      if (index + 1 < elements.length) out.token(",");
      if (isOnNewLine) out.unindent();
    }
    if (elements.length === 0 || lastLine === this.#line(brackets.end - 1)) return;
    out.token(",");
    out.indent();
    out.breakRun();
    out.unindent();
  }

  #object(object: ObjectLiteral): void {
    const out = this.#out;
    out.token("{", object.start);
    out.indent();
    let lastLine = this.#line(object.start);
    let isOneLine = false;
    for (const [index, field] of object.fields.entries()) {
      if (this.#line(field.nameSpan.start) !== lastLine) {
        if (isOneLine) out.newline();
        else out.breakRun();
      } else if (index > 0) out.blank();
      out.token(
        this.#source.text.slice(field.nameSpan.start, field.nameSpan.end),
        field.nameSpan.start,
      );
      const { row } = out;
      out.align();
      out.token("=", field.equals);
      out.blank();
      this.#expression(field.value);
      isOneLine = out.row === row;
      lastLine = this.#line(field.value.end - 1);
      if (index + 1 < object.fields.length) out.token(",");
    }
    if (object.fields.length > 0 && lastLine !== this.#line(object.end - 1)) {
      out.token(",");
      out.breakRun();
    }
    out.unindent();
    out.token("}", object.end - 1);
  }
}
