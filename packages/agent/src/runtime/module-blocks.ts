/** The blocks a module is made of besides components: what it takes and what it gives. */
import { maybe, optional, required } from "../schema.ts";

export const MODULE_SCHEMAS = {
  argument: {
    optional: optional("bool", false, "Whether the argument may be left out."),
    default: maybe("any", "Value when it is left out."),
    comment: maybe("string", "What it is for."),
  },
  export: {
    value: required("any", "What the module exports under this name."),
  },
};
