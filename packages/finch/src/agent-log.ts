/** Where the agent's log lines go on standard error: as its `logging` block says, and as the host writes its own when the block says nothing. */
import { formatAgentLine } from "@finch/agent";
import type { AgentLogSink } from "@finch/agent";
import type { LogSink } from "@finch/runtime";

export function createAgentLogSink(host: LogSink): AgentLogSink {
  return (event, { format }) => {
    if (format === "auto") host(event);
    else process.stderr.write(`${formatAgentLine(event, format)}\n`);
  };
}
