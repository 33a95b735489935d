/** Bounds of the component runtime; each says what breaks without it. */

/** Files of one configuration directory. Without it a wrong path such as `/` is read to the end. */
export const CONFIG_FILES_MAX = 1000;

/** Bytes of one configuration file. Without it a wrong path reads a log of gigabytes into memory. */
export const CONFIG_FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Components of one configuration. Without it a generated file starts tasks until memory ends. */
export const COMPONENTS_MAX = 5000;

/** How long a component may take to stop. Without it one that hangs keeps the process from ending. */
export const COMPONENT_STOP_MS_MAX = 15_000;

/** Metric series (label sets) of one family of one component. Without it a label taken from log lines fills the memory. */
export const COMPONENT_METRIC_SERIES_MAX = 20_000;

/** Elements of one array shown by the web API and page. Without it thousands of targets make a page of many megabytes. */
export const SHOWN_ELEMENTS_MAX = 200;

/** Modules within modules. Without it a template that holds another, and so on, overflows the call stack. */
export const MODULE_DEPTH_MAX = 20;

/** Items of one `foreach`. Without it a list that grows starts components until memory ends. */
export const FOREACH_ITEMS_MAX = 5000;

/** Imports within imports. Without it a file that imports itself is read for ever. */
export const IMPORT_DEPTH_MAX = 10;

/** Bytes of what one import brings. Without it a wrong address fills the memory. */
export const IMPORT_BYTES_MAX = 16 * 1024 * 1024;
