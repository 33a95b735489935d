/** Options of sign-in: who must, and how long it lasts. */
import { parseDuration } from "@finch/model";
import type { ConfigOption } from "./config-options.ts";
import { badValue, oneOf } from "./config-values.ts";

/** What `assembleSignInOptions` makes of the values. */
export interface SignInOptions {
  /** `auto`: where others than this machine can come. */
  readonly required: (typeof REQUIRED)[number];
  readonly sessionIdleMs: number;
  readonly sessionAgeMs: number;
}

const REQUIRED = ["auto", "on", "off"] as const;

export const SIGN_IN_OPTIONS: readonly ConfigOption[] = [
  {
    key: "sign_in.required",
    placeholder: "WHEN",
    doc: '"on" asks everybody to sign in who reads or changes something, and who sends from another machine for a token; "auto" asks who reads or changes where others than this machine can come; "off" asks nobody',
    default: "auto",
    parse: (text) => oneOf(text, REQUIRED),
  },
  {
    key: "sign_in.session_idle",
    placeholder: "DURATION",
    doc: "a session that is not used for so long has ended",
    default: "24h",
    parse: parseSessionTime,
  },
  {
    key: "sign_in.session_age",
    placeholder: "DURATION",
    doc: "so long after sign-in a session ends whatever happens",
    default: "30d",
    parse: parseSessionTime,
  },
];

export function assembleSignInOptions(value: (key: string) => unknown): SignInOptions {
  return {
    required: value("sign_in.required") as SignInOptions["required"],
    sessionIdleMs: value("sign_in.session_idle") as number,
    sessionAgeMs: value("sign_in.session_age") as number,
  };
}

function parseSessionTime(text: string): number {
  let ms: number;
  try {
    ms = parseDuration(text);
  } catch (error) {
    throw badValue(`"${text}" is no duration: write it such as 24h or 30d`, error);
  }
  // The last use is known to a minute.
  if (ms < 5 * 60_000) throw badValue(`${text} is too short: the least is 5m`);
  return ms;
}
