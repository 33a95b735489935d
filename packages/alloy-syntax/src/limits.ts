/** Bounds of the language; each says what breaks without it. */

/** Characters of one file. Without it a file of gigabytes is scanned into memory before anything is said. */
export const SOURCE_LENGTH_MAX = 16 * 1024 * 1024;

/** Depth of nested blocks, brackets and operators. Without it deep nesting overflows the call stack. */
export const NESTING_MAX = 250;

/** Diagnostics of one file. Without it a binary file taken for a configuration answers with a diagnostic per line. */
export const DIAGNOSTICS_MAX = 100;

/** Characters a string function may make. Without it `string.format` and joins in a row fill the memory. */
export const STRING_LENGTH_MAX = 64 * 1024 * 1024;

/** Operators or accesses in a row, such as `a + b + c`. Each makes the tree one deeper, so without it a long row overflows the call stack. */
export const CHAIN_LENGTH_MAX = 1000;
