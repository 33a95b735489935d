/**
 * Types of component arguments, declared as data with the builders below. `ValuesOf` gives the TypeScript type a declaration decodes to, so that
 * a component's `run` gets typed arguments without a cast: attributes by name, a block as an object, a repeatable block as an array.
 *
 *     const ARGUMENTS = {
 *       targets: required("list(target)", "Targets to scrape."),
 *       scrape_interval: optional("duration", 60_000, "How often to scrape."),
 *       scheme: oneOf(["http", "https"], "http", "Protocol."),
 *       bearer_token: maybe("secret", "Token sent with every request."),
 *       basic_auth: block({ username: optional("string", "", "User.") }, { repeat: "optional", doc: "Credentials." }),
 *       clustering: notYet("block", "Shares targets among agents."),
 *     };
 */
import { assert } from "@finch/runtime";
import type {
  LogsReceiver,
  MetricsReceiver,
  ProfilesReceiver,
  Target,
  TelemetryConsumer,
} from "./receivers.ts";
import type { OtelHandler } from "./otel/handler.ts";
import type { RelabelRule } from "./relabel.ts";

/** A secret: prints as `(secret)`; `reveal` gives the text. */
export interface Secret {
  reveal(): string;
}

/** The TypeScript type each argument type decodes to. */
export interface AttributeTypes {
  readonly string: string;
  readonly bool: boolean;
  readonly number: number;
  /** Milliseconds; written as `"15s"`. */
  readonly duration: number;
  /** Bytes; written as `"1MiB"`. */
  readonly bytes: number;
  /** Written as a string or a secret. */
  readonly secret: Secret;
  readonly "list(string)": readonly string[];
  readonly "list(number)": readonly number[];
  readonly "list(secret)": readonly Secret[];
  readonly "map(string)": Readonly<Record<string, string>>;
  readonly "map(secret)": Readonly<Record<string, Secret>>;
  readonly "map(list(string))": Readonly<Record<string, readonly string[]>>;
  readonly "map(list(secret))": Readonly<Record<string, readonly Secret[]>>;
  readonly "list(target)": readonly Target[];
  readonly "list(metrics-receiver)": readonly MetricsReceiver[];
  readonly "list(logs-receiver)": readonly LogsReceiver[];
  readonly "list(profiles-receiver)": readonly ProfilesReceiver[];
  readonly "list(otel-consumer)": readonly TelemetryConsumer[];
  /** `handler` exported by `otelcol.auth.*` and `otelcol.storage.*`. */
  readonly "otel-handler": OtelHandler;
  /** `rules` exported by relabel components. */
  readonly "relabel-rules": readonly RelabelRule[];
  /** Anything; for attributes that take several types. */
  readonly any: unknown;
}

export type AttributeTypeName = keyof AttributeTypes;

/** `required`: must be written; `defaulted`: has a value either way; `maybe`: undefined when not written. */
export type Presence = "required" | "defaulted" | "maybe";

/** Bounds of numbers, durations (in milliseconds) and sizes (in bytes), both inclusive. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

export interface Attribute<
  Name extends AttributeTypeName = AttributeTypeName,
  Presence_ extends Presence = Presence,
  Text extends string = string,
> {
  readonly kind: "attribute";
  readonly type: Name;
  readonly presence: Presence_;
  /** Value when not written; undefined unless `defaulted`. */
  readonly default: AttributeTypes[Name] | undefined;
  readonly doc: string;
  /** Allowed values, for enumerations. */
  readonly oneOf: readonly Text[] | undefined;
  readonly bounds: Bounds;
  /** Why the attribute has no effect here, for one that is taken so that configurations run as they are; writing it is warned of. */
  readonly moot?: string;
}

/** `one`: always there, with its defaults when not written; `optional`: at most one; `many`: any number, in order. */
export type Repeat = "one" | "optional" | "many";

export interface Block<Schema extends BlockSchema = BlockSchema, Repeat_ extends Repeat = Repeat> {
  readonly kind: "block";
  readonly repeat: Repeat_;
  readonly schema: Schema;
  readonly doc: string;
  /** It must be written, even empty. */
  readonly isRequired?: true;
}

/** A one-of-many list of blocks kept in written order, such as the `stage.*` blocks of `loki.process`. */
export interface BlockChoice<Choices extends BlockChoices = BlockChoices> {
  readonly kind: "choice";
  /** A function, so that a choice may contain itself (`stage.match` holds stages). */
  readonly choices: () => Choices;
  readonly doc: string;
  /** One sentence for each block, by name; {@link doc} where there is none. */
  readonly docs: Readonly<Record<string, string>>;
}

export type BlockChoices = { readonly [name: string]: BlockSchema };

/** An argument Alloy has and Finch does not have yet: writing it answers `not supported yet: NAME at L:C`. It decodes to undefined. */
export interface NotYet {
  readonly kind: "not-yet";
  readonly of: "attribute" | "block";
  readonly doc: string;
}

/** The label that the blocks of a schema must have, as in `profile.custom "LABEL" { … }`; decodes to its text, under the name it has in the schema. */
export interface BlockLabel {
  readonly kind: "label";
  readonly doc: string;
}

export type BlockSchema = {
  readonly [name: string]: Attribute | Block | BlockChoice | BlockLabel | NotYet;
};

/** An attribute that must be written. */
export function required<Name extends AttributeTypeName>(
  type: Name,
  doc: string,
  bounds: Bounds = {},
): Attribute<Name, "required"> {
  return {
    kind: "attribute",
    type,
    presence: "required",
    default: undefined,
    doc,
    oneOf: undefined,
    bounds,
  };
}

/** An attribute with a default. A written `null` is the zero value of the type, as in Alloy. */
export function optional<Name extends AttributeTypeName>(
  type: Name,
  fallback: AttributeTypes[Name],
  doc: string,
  bounds: Bounds = {},
): Attribute<Name, "defaulted"> {
  return {
    kind: "attribute",
    type,
    presence: "defaulted",
    default: fallback,
    doc,
    oneOf: undefined,
    bounds,
  };
}

/** An attribute that is undefined when not written. */
export function maybe<Name extends AttributeTypeName>(
  type: Name,
  doc: string,
  bounds: Bounds = {},
): Attribute<Name, "maybe"> {
  return {
    kind: "attribute",
    type,
    presence: "maybe",
    default: undefined,
    doc,
    oneOf: undefined,
    bounds,
  };
}

/** An attribute that Alloy has and for which there is nothing to do here: it is taken, and anything but its default is warned of. */
export function moot<Name extends AttributeTypeName>(
  type: Name,
  fallback: AttributeTypes[Name],
  why: string,
): Attribute<Name, "defaulted"> {
  return { ...optional(type, fallback, `Has no effect: ${why}.`), moot: why };
}

/** A string that must be one of `values`; decodes to their union. */
export function oneOf<const Text extends string>(
  values: readonly Text[],
  fallback: NoInfer<Text>,
  doc: string,
): Attribute<"string", "defaulted", Text> {
  return {
    kind: "attribute",
    type: "string",
    presence: "defaulted",
    default: fallback,
    doc,
    oneOf: values,
    bounds: {},
  };
}

/** A nested block. */
export function block<Schema extends BlockSchema, Repeat_ extends Repeat>(
  schema: Schema,
  options: { readonly repeat: Repeat_; readonly doc: string; readonly isRequired?: true },
): Block<Schema, Repeat_> {
  return { kind: "block", schema, ...options };
}

/** Blocks `KEY.NAME` for every NAME of `choices`, kept in written order. Pass a function with a declared return type when it contains itself. */
export function choice<Choices extends BlockChoices>(
  choices: Choices | (() => Choices),
  doc: string,
  docs: Readonly<Record<string, string>> = {},
): BlockChoice<Choices> {
  return {
    kind: "choice",
    choices: typeof choices === "function" ? choices : () => choices,
    doc,
    docs,
  };
}

/** Makes the blocks of the schema it stands in ones with a label. */
export function blockLabel(doc: string): BlockLabel {
  return { kind: "label", doc };
}

/** Names an attribute or block that Alloy has and this component does not build yet. */
export function notYet(of: "attribute" | "block", doc: string): NotYet {
  return { kind: "not-yet", of, doc };
}

/** Where the label of a block goes among its values; undefined for blocks without one. */
export function labelNameOf(schema: BlockSchema): string | undefined {
  return Object.keys(schema).find((name) => schema[name]!.kind === "label");
}

/** What a declaration decodes to when nothing is written. It may have nothing that must be written. */
export function defaultsOf<Schema extends BlockSchema>(schema: Schema): ValuesOf<Schema> {
  const values: Record<string, unknown> = {};
  for (const [name, declared] of Object.entries(schema)) {
    if (declared.kind === "attribute") {
      assert(declared.presence !== "required", `${name} has a default`);
      values[name] = declared.default;
    } else if (declared.kind === "choice") values[name] = [];
    else if (declared.kind === "block" && declared.repeat === "many") values[name] = [];
    else if (declared.kind === "block" && declared.repeat === "one")
      values[name] = defaultsOf(declared.schema);
    else values[name] = undefined;
  }
  return values as ValuesOf<Schema>;
}

type ValueOfAttribute<Name extends AttributeTypeName, Text extends string> = Name extends "string"
  ? Text
  : AttributeTypes[Name];

/** What a declaration decodes to. A choice named `stage` takes blocks `stage.NAME` and decodes to `{ name, values }[]`. */
export type ValuesOf<Schema extends BlockSchema> = {
  readonly [Key in keyof Schema]: Schema[Key] extends Attribute<
    infer Name,
    infer Presence_,
    infer Text
  >
    ? Presence_ extends "maybe"
      ? ValueOfAttribute<Name, Text> | undefined
      : ValueOfAttribute<Name, Text>
    : Schema[Key] extends Block<infer Inner, infer Repeat_>
      ? Repeat_ extends "many"
        ? readonly ValuesOf<Inner>[]
        : Repeat_ extends "optional"
          ? ValuesOf<Inner> | undefined
          : ValuesOf<Inner>
      : Schema[Key] extends BlockChoice<infer Choices>
        ? readonly ChosenBlock<Choices>[]
        : Schema[Key] extends BlockLabel
          ? string
          : undefined;
};

/** One block of a choice. Narrow by `name`. */
export type ChosenBlock<Choices extends BlockChoices> = {
  readonly [Name in keyof Choices & string]: {
    readonly name: Name;
    readonly values: ValuesOf<Choices[Name]>;
  };
}[keyof Choices & string];
