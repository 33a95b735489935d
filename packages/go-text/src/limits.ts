/** What one template may cost; each limit says what breaks without it. */

/** Characters a template may produce for one entry. `repeat` and `range` could otherwise fill the memory from one entry. */
export const TEMPLATE_OUTPUT_MAX = 1 << 20;
/** Work one run of a template may do: a node or a call is 1, and so are 16 characters given to or made by a function. Loops without output never end otherwise. */
export const TEMPLATE_WORK_MAX = 2_000_000;
/** Nesting of blocks, and of templates in templates. Parsing and running are recursive, and a deep enough text would exhaust the stack. */
export const TEMPLATE_NESTING_MAX = 100;
/** Widths and precisions of printf beyond that are cut: a width is memory, and it comes from whoever wrote the template. */
export const PRINTF_WIDTH_MAX = 10_000;
/** Compiled patterns, layouts and time zones that are kept. Templates can make them from data, line by line. */
export const COMPILED_MAX = 100;
