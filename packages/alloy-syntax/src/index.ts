export type { Attribute, Block, Expression, File, Statement } from "./ast.ts";
export {
  formatDiagnostic,
  formatDiagnosticLine,
  formatDiagnostics,
  makeError,
  makeUnsupported,
  makeWarning,
} from "./diagnostics.ts";
export type { Diagnostic } from "./diagnostics.ts";
export { evaluate } from "./evaluator.ts";
export type { Evaluation, Scope } from "./evaluator.ts";
export { formatFile } from "./formatter.ts";
export { isIdentifier, parseExpression, parseFile } from "./parser.ts";
export type { ParseResult } from "./parser.ts";
export { referencesOf } from "./references.ts";
export type { Reference } from "./references.ts";
export { decodeSource, Source } from "./source.ts";
export type { Position, Span } from "./source.ts";
export {
  createStandardLibrary,
  DEPRECATED_FUNCTIONS,
  EXPERIMENTAL_FUNCTIONS,
} from "./standard-library.ts";
export type { LibraryEnvironment } from "./standard-library.ts";
export { findNearest, suggest } from "./suggest.ts";
export {
  Capsule,
  describeKind,
  equals,
  formatValue,
  FunctionValue,
  isArray,
  isObject,
  kindOf,
  Secret,
  toArray,
  toBool,
  toNumber,
  toObject,
  toSecret,
  toText,
  ValueFault,
} from "./values.ts";
export type { ObjectValue, Value } from "./values.ts";
