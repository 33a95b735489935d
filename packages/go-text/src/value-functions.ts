/** Sprig's functions of values of any kind that LogQL has as well: defaults and JSON. */
import { checkCount, texts } from "./template-arguments.ts";
import type { FunctionTable } from "./template-arguments.ts";
import { isTrue } from "./template-value.ts";
import type { TemplateValue } from "./template-value.ts";

export const VALUE_FUNCTIONS: FunctionTable = {
  fromJson: texts(1, (text) => fromJson(text!)),
  default: (args) => {
    checkCount(args, 1, 2);
    return args.length > 1 && isTrue(args[1]!) ? args[1]! : args[0]!;
  },
};

function fromJson(text: string): TemplateValue {
  const convert = (value: unknown): TemplateValue => {
    if (Array.isArray(value)) return value.map(convert);
    if (typeof value !== "object" || value === null) return value as TemplateValue;
    return new Map(Object.entries(value).map(([key, item]) => [key, convert(item)]));
  };
  try {
    return convert(JSON.parse(text));
  } catch {
    return null;
  }
}
