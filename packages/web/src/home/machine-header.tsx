/** Who this machine is and whether it is well. */
import { useState } from "react";
import type { ReactNode } from "react";
import { overallHealth, type ComponentHealth, type Machine } from "../api/machine-api.ts";
import { formatValue } from "../format-value.ts";
import { formatClock, formatDuration, formatMoment } from "../time/format-time.ts";

export interface MachineHeaderProps {
  readonly machine: Machine | undefined;
  readonly reachable: boolean;
  readonly staleSince: number | undefined;
  readonly children: ReactNode;
}

const HEALTH_TEXT = {
  healthy: "All parts are healthy",
  degraded: "Some parts are not healthy yet",
  unhealthy: "A part is unhealthy",
  unknown: "No part has reported yet",
} as const;

export function MachineHeader({
  machine,
  reachable,
  staleSince,
  children,
}: MachineHeaderProps): ReactNode {
  const facts = machine === undefined ? [] : machineFacts(machine);
  return (
    <header className="machine">
      <div className="machine-who">
        <div className="machine-name">
          <h1>{machine?.hostname ?? "This machine"}</h1>
          <HealthBadge components={reachable ? (machine?.components ?? []) : []} />
          {staleSince !== undefined && (
            <span className="badge badge-stale" role="status">
              no data since {staleMoment(staleSince * 1000)}
            </span>
          )}
        </div>
        <p className="machine-facts">
          {facts.map((fact) => (
            <span key={fact}>{fact}</span>
          ))}
        </p>
      </div>
      {children}
    </header>
  );
}

export function machineFacts(machine: Machine): string[] {
  const facts = [machine.os, machine.kernel];
  if (machine.cpus > 0) facts.push(machine.cpus === 1 ? "1 core" : `${machine.cpus} cores`);
  if (machine.memoryBytes > 0) facts.push(formatValue(machine.memoryBytes, "bytes"));
  if (machine.uptimeSeconds > 0) facts.push(`up ${formatDuration(machine.uptimeSeconds)}`);
  return facts.filter((fact) => fact !== "");
}

function staleMoment(ms: number): string {
  const sameDay = new Date(ms).toDateString() === new Date().toDateString();
  return sameDay ? formatClock(ms) : formatMoment(ms);
}

function HealthBadge({
  components,
}: {
  readonly components: readonly ComponentHealth[];
}): ReactNode {
  const [open, setOpen] = useState(false);
  const health = overallHealth(components);
  return (
    <div
      className="health"
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setOpen(false)}
    >
      <button
        type="button"
        className={`health-dot health-${health}`}
        aria-expanded={open}
        aria-label={`${HEALTH_TEXT[health]}. Show the parts of Finch`}
        title={HEALTH_TEXT[health]}
        onClick={() => setOpen(!open)}
        onKeyDown={(event) => event.key === "Escape" && setOpen(false)}
      >
        <i />
        {health}
      </button>
      {open && (
        <div className="popover health-list" tabIndex={-1}>
          <strong>{HEALTH_TEXT[health]}</strong>
          <ul>
            {components.map((component) => (
              <li key={component.id}>
                <i className={`dot dot-${component.health}`} />
                <code>{component.id}</code>
                <span>{component.message === "" ? component.health : component.message}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}
