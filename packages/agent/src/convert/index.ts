export { CONVERSION_FORMATS, convertConfig } from "./convert-config.ts";
export type { ConversionFormat, ConversionOptions, ConversionResult } from "./convert-config.ts";
export { conversionReport, formatConversionDiagnostic } from "./conversion-log.ts";
export type { ConversionDiagnostic, ConversionSeverity } from "./conversion-log.ts";
