/** What collectors do, in numbers. The fleet declares what it wants to know; whoever composes the program fits it to where the metrics of the collectors are. */

export interface CollectorFigures {
  /** Samples of metrics, and lines of logs, that it hands on each second; undefined when it does not tell. */
  readonly samplesPerSecond: number | undefined;
  readonly linesPerSecond: number | undefined;
  /** What of both is lost (refused, given up or dropped), from 0 to 1; undefined when it does not tell. */
  readonly errorShare: number | undefined;
  /** Components of its configuration that are not healthy; undefined when it does not tell. */
  readonly unhealthyComponents: number | undefined;
}

/** Figures by the resource id of the agent, which its series carry as the label `rid`. Rejects when they cannot be read now. */
export type ReadFigures = (signal: AbortSignal) => Promise<ReadonlyMap<string, CollectorFigures>>;
