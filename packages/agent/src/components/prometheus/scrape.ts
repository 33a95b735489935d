/** `prometheus.scrape`: asks targets for their metrics at intervals and forwards the samples. */
import { defineComponent } from "../../component.ts";
import { untilAborted } from "../../until-aborted.ts";
import { ARGUMENTS, findFault } from "./scrape-arguments.ts";
import { ScrapeLoops } from "./scrape-loops.ts";

export const scrape = defineComponent<typeof ARGUMENTS, Record<never, never>>({
  name: "prometheus.scrape",
  stability: "generally-available",
  summary: "Scrapes metrics from targets and forwards them.",
  arguments: ARGUMENTS,
  exports: {},
  check: findFault,
  run: async (context, signal) => {
    const loops = new ScrapeLoops(context, context.id);
    context.scrapePools.set(context.id, () => [loops.describe()]);
    const gauge = context.metrics.gauge(
      "prometheus_scrape_targets_gauge",
      "Targets that are scraped.",
    );
    let values = context.arguments();
    try {
      await untilAborted(signal, async () => {
        const { count, bad } = await loops.reconcile({ ...values, metricRelabelings: [] });
        gauge.set(count);
        const scrapes = `scrapes ${count} target${count === 1 ? "" : "s"}`;
        if (bad === 0) context.setHealth("healthy", scrapes);
        else context.setHealth("unhealthy", `${scrapes}; ${bad} cannot be scraped, see the log`);
        values = await context.nextArguments(signal);
      });
    } finally {
      context.scrapePools.delete(context.id);
      await loops.stop();
    }
  },
});
