/** What the calls of a collector do: it is known from its first call on, bound to the agent whose token it shows, and given the configuration that is meant for it. */
import { createHash } from "node:crypto";
import { FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import type { CollectorCall, CollectorMethod, ConfigAnswer } from "./collector-messages.ts";
import type { CollectorRegistry } from "./collector-registry.ts";
import { afterAsking, afterRegister, firstContact } from "./collector.ts";
import type { Collector } from "./collector.ts";
import {
  ATTRIBUTE_CHARS_MAX,
  ATTRIBUTES_MAX,
  COLLECTOR_ID_CHARS_MAX,
  STATUS_ERROR_CHARS_MAX,
} from "./limits.ts";

/** A configuration as it is given. */
export interface GivenConfiguration {
  readonly text: string;
  /** SHA-256 of the text, in hexadecimal digits. */
  readonly hash: string;
}

export interface CollectorServiceOptions {
  readonly registry: CollectorRegistry;
  readonly clock: Clock;
  /** What is meant for a collector now; undefined when nothing is. */
  readonly configurationOf: (collector: Collector) => GivenConfiguration | undefined;
  /** Whether there still is an agent with this resource id. */
  readonly isRegistered: (resourceId: string) => boolean;
  /** Called after each call. */
  readonly onContact: (collector: Collector) => void;
}

/** What a collector without a configuration runs. Not the empty text, which Alloy takes for "go on with what you have". */
const NOTHING = toGiven("// No configuration is meant for this collector.\n");

export function toGiven(text: string): GivenConfiguration {
  return { text, hash: createHash("sha256").update(text).digest("hex") };
}

export class CollectorService {
  readonly #options: CollectorServiceOptions;

  constructor(options: CollectorServiceOptions) {
    this.#options = options;
  }

  /** Answers a call of the agent `resourceId`; undefined where the protocol has an empty answer. */
  answer(
    resourceId: string,
    method: CollectorMethod,
    given: CollectorCall,
  ): ConfigAnswer | undefined {
    const call = bounded(given);
    const nowMs = this.#options.clock.nowMs();
    const known = this.#known(resourceId, call, nowMs);
    switch (method) {
      case "RegisterCollector":
        this.#keep(afterRegister(known, call, nowMs));
        return undefined;
      case "UnregisterCollector":
        this.#keep({ ...known, lastContactMs: nowMs, goneAtMs: nowMs });
        return undefined;
      case "GetConfig":
        return this.#giveConfiguration(afterAsking(known, call, nowMs));
    }
  }

  #giveConfiguration(collector: Collector): ConfigAnswer {
    const { text, hash } = this.#options.configurationOf(collector) ?? NOTHING;
    this.#keep({ ...collector, givenHash: hash });
    if (collector.toldHash === hash) return { content: "", hash, isUnmodified: true };
    return { content: text, hash, isUnmodified: false };
  }

  #known(resourceId: string, call: CollectorCall, nowMs: number): Collector {
    const known = this.#options.registry.get(call.id);
    if (known === undefined) return firstContact(call, { resourceId, nowMs });
    if (known.resourceId === resourceId) return known;
    if (!this.#options.isRegistered(known.resourceId)) return { ...known, resourceId };
    throw new FinchError(
      "conflict",
      "control/foreign-collector",
      `the collector ${JSON.stringify(call.id)} belongs to another agent: give this one an id of its own in its remotecfg block, or have the other forgotten`,
    );
  }

  #keep(collector: Collector): void {
    const { registry, onContact } = this.#options;
    registry.put(collector);
    onContact(collector);
  }
}

/** Refuses what is no id or too much; cuts a long error. */
function bounded(call: CollectorCall): CollectorCall {
  if (call.id === "") throw badCall("id is missing");
  for (const [what, text] of [
    ["id", call.id],
    ["name", call.name],
    ["hash", call.hash],
  ] as const)
    if (text.length > COLLECTOR_ID_CHARS_MAX)
      throw badCall(`${what} is longer than ${COLLECTOR_ID_CHARS_MAX} characters`);
  const pairs = Object.entries(call.attributes);
  if (pairs.length > ATTRIBUTES_MAX) throw badCall(`more than ${ATTRIBUTES_MAX} attributes`);
  if (pairs.some(([key, value]) => Math.max(key.length, value.length) > ATTRIBUTE_CHARS_MAX))
    throw badCall(`an attribute is longer than ${ATTRIBUTE_CHARS_MAX} characters`);
  const { report } = call;
  if (report === undefined) return call;
  return { ...call, report: { ...report, error: report.error.slice(0, STATUS_ERROR_CHARS_MAX) } };
}

function badCall(message: string): FinchError {
  return new FinchError("invalid", "control/bad-collector-call", `bad call: ${message}`);
}
