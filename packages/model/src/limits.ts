/** Limits of the vocabulary; each says what breaks without it. */

/** UTF-16 units of a regular expression; a longer one costs seconds to compile. Lists of literals made by dashboards stay below it. */
export const REGEXP_LENGTH_MAX = 128 * 1024;

/** The same of a pattern that needs an engine, which lists of literals do not. A longer one takes seconds to compile, or for one value. */
export const REGEXP_ENGINE_LENGTH_MAX = 2048;

/** Alternatives a pattern may expand to on the path without an engine; beyond it nested groups would multiply without end. */
export const REGEXP_ALTERNATIVES_MAX = 20_000;

/** Gaps of one alternative there: joining chains of many takes a time that grows with the square. */
export const REGEXP_GAPS_MAX = 64;

/** Chains joined there before the engine is asked instead. Without it alternatives times groups take minutes. */
export const REGEXP_JOINS_MAX = 200_000;

/** Depth of groups on the path without an engine, which is parsed by recursion. */
export const REGEXP_DEPTH_MAX = 50;

/** Characters a replacement may make of a text. Without it a short template makes a text of half a gigabyte. */
export const REPLACED_LENGTH_MAX = 16 * 1024 * 1024;
