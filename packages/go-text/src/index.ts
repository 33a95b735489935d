/**
 * Text as Go programs read and write it. LogQL, the agent's stages and alerts hand it what people wrote for Go: templates, time layouts,
 * durations, sizes. Pure, and free of platform modules, so that a browser can check a template while it is typed.
 */
export {
  ConversionFault,
  parseByteSize,
  parseGoDuration,
  parseGoFloat,
  parseQueryDuration,
  quote,
  unescapeGo,
} from "./conversions.ts";
export { TEMPLATE_OUTPUT_MAX } from "./limits.ts";
export { NUMBER_FUNCTIONS } from "./number-functions.ts";
export { formatPrintf } from "./printf.ts";
export { SPRIG_FUNCTIONS } from "./sprig-functions.ts";
export { asText, checkCount, counted, regexpOf, texts } from "./template-arguments.ts";
export type { FunctionTable, TemplateFunction, TemplateScope } from "./template-arguments.ts";
export { BUILT_IN_FUNCTIONS, printTime } from "./template-built-ins.ts";
export { fieldsOfTemplate, parseTemplate, TemplateFault } from "./template-parse.ts";
export type { FunctionNames, TemplateNode } from "./template-parse.ts";
export { runTemplate } from "./template-run.ts";
export type { TemplateInput, TemplateRoot } from "./template-run.ts";
export { TemplateRunFault } from "./template-value.ts";
export type { TemplateValue } from "./template-value.ts";
export { TEXT_FUNCTIONS } from "./text-functions.ts";
export { parseTimeLoosely, TIME_FUNCTIONS } from "./time-functions.ts";
export { formatTime, NAMED_LAYOUTS, parseTime } from "./time-layout.ts";
export type { GoTime, ParseTimeOptions } from "./time-layout.ts";
export { VALUE_FUNCTIONS } from "./value-functions.ts";
export { isTimeZone } from "./zone.ts";
