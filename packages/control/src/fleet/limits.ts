/** The bounds of the fleet; each says what breaks without it. */

/** Collectors that are known at once, about 4 KB of memory each: ids come from outside. */
export const COLLECTORS_MAX = 10_000;

/** A collector that was not heard of for so long is forgotten. */
export const COLLECTOR_KEPT_MS = 30 * 24 * 3_600_000;

/** Characters of an id or a name: they are shown and stored. */
export const COLLECTOR_ID_CHARS_MAX = 256;

/** Attributes of one collector, and characters of a key and of a value. */
export const ATTRIBUTES_MAX = 64;
export const ATTRIBUTE_CHARS_MAX = 1024;

/** Characters of a reported fault that are kept. */
export const STATUS_ERROR_CHARS_MAX = 4096;

/** Bytes of one call of a collector, with the configuration that it says to run. */
export const CALL_BYTES_MAX = 1024 * 1024;

/** Characters of a configuration; agents refuse longer ones than 16 MiB. */
export const CONFIGURATION_CHARS_MAX = 1024 * 1024;

/** Configurations, and versions of each that are kept: those in use, and the newest others. */
export const CONFIGURATIONS_MAX = 200;
export const VERSIONS_KEPT_MAX = 100;

/** Roll-outs that are kept: those that say what a collector gets, and the newest others. */
export const ROLLOUTS_KEPT_MAX = 500;

/** Stages of one roll-out. */
export const STAGES_MAX = 20;

/** Matchers of one selector, and its characters. */
export const SELECTOR_MATCHERS_MAX = 32;
export const SELECTOR_CHARS_MAX = 4096;
