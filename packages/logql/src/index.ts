/** LogQL: parse, print, evaluate over a log source. */
export { formatQuery } from "./print.ts";
export { parseQuery, parseSelector } from "./parser.ts";
