/** The part of a page that shows what comes, filled by the script of the pages. */
import { escapeXml } from "../graph-view/graph-svg.ts";

/** A list that fills while its button says so; `own` is the component that is watched. */
export function liveTail(of: {
  readonly path: string;
  readonly own?: string;
  readonly label: string;
}): string {
  const { path, own, label } = of;
  return `<div data-live-tail="${escapeXml(path)}"${own === undefined ? "" : ` data-own="${escapeXml(own)}"`}>
<div class="bar"><button type="button">Watch</button><input type="search" placeholder="only with this text" aria-label="Only with this text"><span class="status soft" role="status"></span></div>
<ol class="tail" tabindex="0" aria-label="${escapeXml(label)}"></ol>
</div>`;
}
