/**
 * Decodes the body of a block against its declaration: unknown and repeated names, missing ones, types, with the place of each fault. It does not
 * stop at the first fault. What a value is comes from `evaluateAttribute`, so that validation can leave out what only a running agent knows.
 */
import { makeError, makeUnsupported, makeWarning, suggest } from "@finch/alloy-syntax";
import type {
  Attribute as WrittenAttribute,
  Block as WrittenBlock,
  Diagnostic,
  Expression,
  Source,
  Span,
  Statement,
  Value,
} from "@finch/alloy-syntax";
import { labelNameOf } from "../schema.ts";
import type { Attribute, Block, BlockChoice, BlockSchema, ValuesOf } from "../schema.ts";
import { DecodeFault, decodeValue } from "./decode-value.ts";

export interface BodyContext {
  readonly source: Source;
  /** Where a missing attribute is reported: the header of the block. */
  readonly header: Span;
  /** The value of an attribute; undefined when it is not known now. It adds its own diagnostics for what cannot be evaluated. */
  readonly evaluateAttribute: (attribute: WrittenAttribute) => Value | undefined;
  /** Stands for a value that is not known now, where it can: undefined where it cannot. */
  readonly standIn?: (declared: Attribute) => unknown;
  /** Faults are added here, and warnings of what has no effect. */
  readonly diagnostics: Diagnostic[];
}

export interface DecodedBody {
  readonly values: ValuesOf<BlockSchema>;
  /** False when an attribute was left out because its value is not known, or because of a fault. */
  readonly isComplete: boolean;
}

export function decodeBody(
  body: readonly Statement[],
  schema: BlockSchema,
  context: BodyContext,
): DecodedBody {
  return new BodyDecoder(schema, context).decode(body);
}

/** The span of a block up to its opening brace. */
export function headerOf(block: WrittenBlock): Span {
  return { start: block.start, end: block.labelSpan?.end ?? block.nameEnd };
}

class BodyDecoder {
  readonly #schema: BlockSchema;
  readonly #context: BodyContext;
  readonly #values: Record<string, unknown> = {};
  readonly #seen = new Set<string>();
  #isComplete = true;

  constructor(schema: BlockSchema, context: BodyContext) {
    this.#schema = schema;
    this.#context = context;
  }

  decode(body: readonly Statement[]): DecodedBody {
    for (const statement of body) {
      if (statement.kind === "attribute") this.#attribute(statement);
      else this.#block(statement);
    }
    for (const name of Object.keys(this.#schema)) this.#fillIn(name);
    return { values: this.#values as ValuesOf<BlockSchema>, isComplete: this.#isComplete };
  }

  #fault(span: Span, message: string): void {
    this.#context.diagnostics.push(makeError(this.#context.source, span, message));
    this.#isComplete = false;
  }

  #notYet(span: Span, name: string): void {
    this.#context.diagnostics.push(makeUnsupported(this.#context.source, span, name));
    this.#isComplete = false;
  }

  #declared(name: string): BlockSchema[string] | undefined {
    return Object.hasOwn(this.#schema, name) ? this.#schema[name] : undefined;
  }

  #attribute(statement: WrittenAttribute): void {
    const { name } = statement;
    const span = { start: statement.start, end: statement.start + name.length };
    const declared = this.#declared(name);
    if (declared === undefined || declared.kind === "label") {
      const known = Object.keys(this.#schema).filter(
        (key) => this.#schema[key]!.kind === "attribute",
      );
      this.#fault(
        span,
        `unrecognized attribute name ${JSON.stringify(name)}${suggest(name, known)}`,
      );
    } else if (declared.kind === "not-yet") this.#notYet(span, `${declared.of} ${name}`);
    else if (declared.kind !== "attribute")
      this.#fault(span, `${JSON.stringify(name)} must be a block, but is used as an attribute`);
    else if (this.#seen.has(name))
      this.#fault(span, `attribute ${JSON.stringify(name)} may only be provided once`);
    else this.#decodeAttribute(statement, declared);
    this.#seen.add(name);
  }

  #decodeAttribute(statement: WrittenAttribute, declared: Attribute): void {
    const value = this.#context.evaluateAttribute(statement);
    if (value === undefined) {
      const standIn = this.#context.standIn?.(declared);
      if (standIn === undefined) this.#isComplete = false;
      else this.#values[statement.name] = standIn;
      return;
    }
    try {
      const decoded = decodeValue(declared, value);
      this.#values[statement.name] = decoded;
      if (declared.moot !== undefined && decoded !== declared.default)
        this.#context.diagnostics.push(
          makeWarning(
            this.#context.source,
            statement,
            `${statement.name} has no effect: ${declared.moot}`,
          ),
        );
    } catch (error) {
      if (!(error instanceof DecodeFault)) throw error;
      this.#fault(locate(statement.value, error.path), `${statement.name}: ${error.message}`);
    }
  }

  #block(statement: WrittenBlock): void {
    const span = headerOf(statement);
    const key =
      this.#declared(statement.name) === undefined
        ? this.#choiceKey(statement.name)
        : statement.name;
    const declared = key === undefined ? undefined : this.#declared(key);
    if (key === undefined || declared === undefined || declared.kind === "label") {
      this.#fault(
        span,
        `unrecognized block name ${JSON.stringify(statement.name)}${suggest(statement.name, this.#blockNames())}`,
      );
      return;
    }
    const isRepeated = this.#seen.has(key);
    this.#seen.add(key);
    if (declared.kind === "not-yet") return this.#notYet(span, `${declared.of} ${statement.name}`);
    if (declared.kind === "attribute")
      return this.#fault(
        span,
        `${JSON.stringify(statement.name)} must be an attribute, but is used as a block`,
      );
    const labelFault = labelFaultOf(statement, declared);
    if (labelFault !== undefined) return this.#fault(statement.labelSpan ?? span, labelFault);
    if (declared.kind === "choice") {
      const name = statement.name.slice(key.length + 1);
      const choices = declared.choices();
      this.#list(key).push({ name, values: this.#nested(statement, choices[name]!) });
    } else if (declared.repeat === "many")
      this.#list(key).push(this.#nested(statement, declared.schema));
    else if (isRepeated)
      this.#fault(span, `block ${JSON.stringify(statement.name)} may only be specified once`);
    else this.#values[key] = this.#nested(statement, declared.schema);
  }

  #list(key: string): unknown[] {
    return (this.#values[key] ??= []) as unknown[];
  }

  #nested(statement: WrittenBlock, schema: BlockSchema): unknown {
    const decoded = decodeBody(statement.body, schema, {
      ...this.#context,
      header: headerOf(statement),
    });
    this.#isComplete &&= decoded.isComplete;
    const label = labelNameOf(schema);
    return label === undefined ? decoded.values : { ...decoded.values, [label]: statement.label };
  }

  /** `stage` for `stage.json` when there is a choice of that name with such a block. */
  #choiceKey(name: string): string | undefined {
    const dot = name.indexOf(".");
    const key = name.slice(0, Math.max(0, dot));
    const declared = this.#declared(key);
    return declared?.kind === "choice" && Object.hasOwn(declared.choices(), name.slice(dot + 1))
      ? key
      : undefined;
  }

  #blockNames(): string[] {
    return Object.entries(this.#schema).flatMap(([key, declared]) => {
      if (declared.kind === "choice")
        return Object.keys(declared.choices()).map((name) => `${key}.${name}`);
      return declared.kind === "block" ? [key] : [];
    });
  }

  /** Gives a name that is not written its default, or reports that it is missing. */
  #fillIn(name: string): void {
    const declared = this.#schema[name]!;
    if (this.#seen.has(name)) return;
    if (declared.kind === "attribute") {
      if (declared.presence === "required")
        this.#fault(this.#context.header, `missing required attribute ${JSON.stringify(name)}`);
      else this.#values[name] = declared.default;
    } else if (declared.kind === "choice") this.#values[name] = [];
    else if (declared.kind === "block") {
      if (declared.repeat === "many") this.#values[name] = [];
      else if (declared.repeat === "optional") this.#values[name] = undefined;
      else if (declared.isRequired === true)
        this.#fault(this.#context.header, `missing required block ${JSON.stringify(name)}`);
      else {
        const decoded = decodeBody([], declared.schema, this.#context);
        this.#isComplete &&= decoded.isComplete;
        this.#values[name] = decoded.values;
      }
    } else if (declared.kind === "not-yet") this.#values[name] = undefined;
  }
}

function labelFaultOf(
  { name, label }: WrittenBlock,
  declared: Block | BlockChoice,
): string | undefined {
  const hasLabel = declared.kind === "block" && labelNameOf(declared.schema) !== undefined;
  if (hasLabel)
    return label === "" ? `block ${JSON.stringify(name)} requires non-empty label` : undefined;
  return label === ""
    ? undefined
    : `block ${JSON.stringify(name)} does not support specifying labels`;
}

/** The part of an expression a path of indices and keys leads to, as far as it is written out. */
function locate(expression: Expression, path: readonly (number | string)[]): Span {
  let found: Expression = expression;
  for (const step of path) {
    let next: Expression | undefined;
    if (found.kind === "array" && typeof step === "number") next = found.elements[step];
    else if (found.kind === "object")
      next = found.fields.find((field) => field.name === step)?.value;
    if (next === undefined) return found;
    found = next;
  }
  return found;
}
