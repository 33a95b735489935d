/** Finds the dotted paths an expression or a body refers to; from them the runtime builds its graph. */
import type { Expression, Statement } from "./ast.ts";
import { pathOf } from "./evaluator.ts";
import type { Span } from "./source.ts";

export interface Reference extends Span {
  /** `["prometheus", "remote_write", "default", "receiver"]`. */
  readonly path: readonly string[];
}

export function referencesOf(body: readonly Statement[]): readonly Reference[] {
  const found: Reference[] = [];
  const visitBody = (statements: readonly Statement[]) => {
    for (const statement of statements) {
      if (statement.kind === "attribute") visitExpression(statement.value, found);
      else visitBody(statement.body);
    }
  };
  visitBody(body);
  return found;
}

function visitExpression(expression: Expression, found: Reference[]): void {
  switch (expression.kind) {
    case "literal":
      return;
    case "identifier":
    case "access": {
      const path = pathOf(expression);
      if (path !== undefined)
        found.push({
          path: path.map((step) => step.name),
          start: expression.start,
          end: expression.end,
        });
      else if (expression.kind === "access") visitExpression(expression.value, found);
      return;
    }
    case "paren":
      return visitExpression(expression.inner, found);
    case "unary":
      return visitExpression(expression.operand, found);
    case "binary":
      visitExpression(expression.left, found);
      return visitExpression(expression.right, found);
    case "index":
      visitExpression(expression.value, found);
      return visitExpression(expression.index, found);
    case "call":
      visitExpression(expression.callee, found);
      return visitAll(expression.args, found);
    case "array":
      return visitAll(expression.elements, found);
    case "object":
      return visitAll(
        expression.fields.map((field) => field.value),
        found,
      );
    default:
      expression satisfies never;
  }
}

function visitAll(expressions: readonly Expression[], found: Reference[]): void {
  for (const expression of expressions) visitExpression(expression, found);
}
