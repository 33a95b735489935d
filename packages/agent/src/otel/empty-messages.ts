/** Messages of OTLP that say nothing, for components that make telemetry. */
import type { InstrumentationScope, Resource } from "@finch/wire";

export function noResource(): Resource {
  return { attributes: new Map(), droppedAttributesCount: 0, entityRefs: [] };
}

export function noScope(): InstrumentationScope {
  return { name: "", version: "", attributes: new Map(), droppedAttributesCount: 0 };
}
