/** What stands where a chart will be. */
import type { ReactNode } from "react";

/** A quiet outline of a chart, with what it is waiting for. */
export function PanelSkeleton({ text }: { readonly text: string }): ReactNode {
  return (
    <div className="skeleton" role="status">
      <svg viewBox="0 0 300 80" preserveAspectRatio="none" aria-hidden="true">
        <path d="M0 62 C30 58 45 30 75 36 S120 66 150 54 S195 18 225 26 S275 50 300 40 V80 H0Z" />
      </svg>
      <span>{text}</span>
    </div>
  );
}
