/** A first example of a component, from its declaration: what must be written, with sinks for what it forwards to. */
import type { ComponentDefinition } from "./component.ts";
import { formatConfig } from "./runtime/validate.ts";
import type { AttributeTypeName, BlockSchema } from "./schema.ts";

const LOGS_SINK = `loki.write "default" {
	endpoint {
		url = "http://localhost:3100/loki/api/v1/push"
	}
}
`;
const METRICS_SINK = `prometheus.remote_write "default" {
	endpoint {
		url = "http://localhost:9090/api/v1/write"
	}
}
`;

const PROFILES_SINK = `pyroscope.write "default" {
	endpoint {
		url = "http://localhost:4040"
	}
}
`;

/** Something of each type that must be written. */
const VALUES: Readonly<Partial<Record<AttributeTypeName, string>>> = {
  bool: "true",
  number: "1",
  duration: '"1m"',
  bytes: '"1MiB"',
  "list(target)": '[{__address__ = "localhost:9100"}]',
  "list(metrics-receiver)": "[prometheus.remote_write.default.receiver]",
  "list(logs-receiver)": "[loki.write.default.receiver]",
  "list(otel-consumer)": "[otelcol.exporter.otlphttp.default.input]",
  "list(profiles-receiver)": "[pyroscope.write.default.receiver]",
  "list(string)": '["one", "two"]',
  "map(string)": '{name = "value"}',
};

/** The example as a formatted configuration. It may need another value here and there to validate. */
export function draftExample(definition: ComponentDefinition): string {
  const own = `${definition.name} "example" {\n${body(definition.arguments)}}\n`;
  const sinks = [
    own.includes("loki.write.default") ? LOGS_SINK : "",
    own.includes("prometheus.remote_write.default") ? METRICS_SINK : "",
    own.includes("pyroscope.write.default") ? PROFILES_SINK : "",
  ];
  return formatConfig([own, ...sinks].filter((text) => text !== "").join("\n"));
}

function body(schema: BlockSchema): string {
  return Object.entries(schema)
    .map(([name, declared]) => {
      if (declared.kind === "attribute" && declared.presence === "required")
        return `${name} = ${VALUES[declared.type] ?? '"text"'}\n`;
      if (declared.kind === "block" && declared.repeat === "one") {
        const inner = body(declared.schema);
        return inner === "" && declared.isRequired !== true ? "" : `${name} {\n${inner}}\n`;
      }
      return "";
    })
    .join("");
}
