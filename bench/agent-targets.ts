/**
 * Serves metrics of many targets, each on a port of its own: `node bench/agent-targets.ts TARGETS SERIES`. Prints the ports as JSON when all of them listen. Half of the
 * series move between scrapes.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const [targets, series] = process.argv.slice(2).map(Number) as [number, number];
/** Series of one family. */
const FAMILY_SERIES = 50;

const ports: number[] = [];
for (let target = 0; target < targets; target++) {
  let scrapes = 0;
  const server = createServer((_, reply) => {
    reply.setHeader("content-type", "text/plain; version=0.0.4");
    reply.end(metricsText(target, scrapes++));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ports.push((server.address() as AddressInfo).port);
}
process.stdout.write(`${JSON.stringify(ports)}\n`);

function metricsText(target: number, scrape: number): string {
  let text = "";
  for (let n = 0; n < series; n++) {
    const family = Math.floor(n / FAMILY_SERIES);
    if (n % FAMILY_SERIES === 0)
      text += `# HELP app_requests_${family}_total Requests served.\n# TYPE app_requests_${family}_total counter\n`;
    const moved = n % 2 === 0 ? scrape * (1 + (n % 13)) : 0;
    text += `app_requests_${family}_total{handler="/api/v1/${n}",method="GET",code="200"} ${1000 * target + n + moved}\n`;
  }
  return text;
}
