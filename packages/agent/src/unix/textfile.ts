/** placeholder */
import { stateless, type Collector } from "./collector.ts";
import { gauge } from "./family.ts";
export function makeTextfile(_options: { readonly directory: string }): Collector {
  return stateless(() => [
    gauge(
      "node_textfile_scrape_error",
      "1 if there was an error opening or reading a file, 0 otherwise",
    ).add(0),
  ]);
}
