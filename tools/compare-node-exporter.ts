/**
 * Compares what two exporters say of one machine: families and series that only one of them has, other types or help texts, and values that
 * differ by more than a share. Prints a list and a closing line; ends with status 1 when anything differs.
 *
 *     node tools/compare-node-exporter.ts http://127.0.0.1:9100/metrics http://127.0.0.1:12345/api/v0/component/prometheus.exporter.unix.local/metrics
 *
 * `--tolerance=0.1` sets the share (default 0.05), `--ignore=REGEX` leaves out families (default: those of the exporter itself), `--ignore-labels=a,b` leaves out labels that one of
 * the two versions does not have yet.
 */
import { parseArgs } from "node:util";

interface Family {
  readonly type: string;
  readonly help: string;
  readonly series: ReadonlyMap<string, number>;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tolerance: { type: "string", default: "0.05" },
    ignore: {
      type: "string",
      default: "^(go|process|promhttp)_|^node_scrape_collector_duration_seconds$",
    },
    "ignore-labels": { type: "string", default: "" },
  },
});

process.exitCode = await compare();

async function compare(): Promise<number> {
  const [first, second] = positionals;
  if (first === undefined || second === undefined) {
    process.stderr.write("give two URLs of metrics to compare\n");
    return 2;
  }
  const ignored = new RegExp(values.ignore);
  const ignoredLabels = new Set(values["ignore-labels"].split(","));
  // One right after the other: what differs should be the exporters, not the time.
  const [left, right] = [await scrape(first), await scrape(second)];
  const findings: string[] = [];
  let compared = 0;
  for (const name of [...new Set([...left.keys(), ...right.keys()])].toSorted()) {
    if (ignored.test(name)) continue;
    const a = left.get(name);
    const b = right.get(name);
    if (a === undefined || b === undefined) {
      findings.push(
        `family ${name}: only in the ${a === undefined ? "second" : "first"} (${(a ?? b)!.series.size} series)`,
      );
      continue;
    }
    if (a.type !== b.type) findings.push(`family ${name}: type ${a.type} against ${b.type}`);
    if (a.help !== b.help)
      findings.push(
        `family ${name}: help ${JSON.stringify(a.help)} against ${JSON.stringify(b.help)}`,
      );
    compared += compareSeries(findings, a, b);
  }
  for (const finding of findings) process.stdout.write(`${finding}\n`);
  process.stdout.write(
    `${left.size} and ${right.size} families, ${compared} series compared, ${findings.length} differences\n`,
  );
  return findings.length === 0 ? 0 : 1;

  function compareSeries(into: string[], a: Family, b: Family): number {
    const mine = withoutLabels(a.series, ignoredLabels);
    const theirs = withoutLabels(b.series, ignoredLabels);
    let both = 0;
    for (const key of [...mine.keys(), ...[...theirs.keys()].filter((other) => !mine.has(other))]) {
      const x = mine.get(key);
      const y = theirs.get(key);
      if (x === undefined || y === undefined)
        into.push(`series ${key}: only in the ${x === undefined ? "second" : "first"}`);
      else {
        both++;
        if (differs(x, y)) into.push(`value ${key}: ${x} against ${y}`);
      }
    }
    return both;
  }
}

function differs(x: number, y: number): boolean {
  if (Object.is(x, y) || x === y) return false;
  return !(Math.abs(x - y) <= Number(values.tolerance) * Math.max(Math.abs(x), Math.abs(y)));
}

function withoutLabels(
  series: ReadonlyMap<string, number>,
  names: ReadonlySet<string>,
): Map<string, number> {
  const kept = new Map<string, number>();
  for (const [key, value] of series) {
    kept.set(
      key
        .replaceAll(/([{,])([a-z_]+)="((?:[^"\\]|\\.)*)"/g, (all, open: string, name: string) =>
          names.has(name) ? open : all,
        )
        .replaceAll(/,(?=[,}])|(?<=\{),/g, ""),
      value,
    );
  }
  return kept;
}

async function scrape(url: string): Promise<Map<string, Family>> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered with status ${response.status}`);
  const families = new Map<string, { type: string; help: string; series: Map<string, number> }>();
  const familyOf = (name: string) => {
    let family = families.get(name);
    if (family === undefined)
      families.set(name, (family = { type: "untyped", help: "", series: new Map() }));
    return family;
  };
  let current = "";
  for (const line of (await response.text()).split("\n")) {
    const [, kind, name = "", text = ""] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (kind === "HELP") familyOf((current = name)).help = text;
    else if (kind === "TYPE") familyOf((current = name)).type = text;
    else if (line !== "" && !line.startsWith("#")) {
      const space = line.lastIndexOf(" ");
      const key = line.slice(0, space);
      const own = key.split("{")[0]!;
      familyOf(own.startsWith(current) && current !== "" ? current : own).series.set(
        key,
        Number(line.slice(space + 1)),
      );
    }
  }
  return families;
}
