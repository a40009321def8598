/** Metrics in Prometheus' text format: each name once, with its help and type, followed by its label sets. */
import type { MetricSample } from "../../member/api/services.ts";

export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export function prometheusText(samples: readonly MetricSample[]): string {
  const byName = new Map<string, MetricSample[]>();
  for (const sample of samples) {
    const same = byName.get(sample.name);
    if (same === undefined) byName.set(sample.name, [sample]);
    else same.push(sample);
  }
  let text = "";
  for (const [name, same] of byName) {
    const first = same[0] as MetricSample;
    text += `# HELP ${name} ${escapeHelp(first.help)}\n# TYPE ${name} ${first.type}\n`;
    for (const sample of same) text += sampleText(sample);
  }
  return text;
}

function sampleText(sample: MetricSample): string {
  const { name, labels } = sample;
  if (sample.type !== "histogram") return `${name}${labelsText(labels)} ${valueText(sample.value)}\n`;
  const { bounds, cumulative, count, sum } = sample;
  const bucket = (bound: number, value: number): string =>
    `${name}_bucket${labelsText({ ...labels, le: valueText(bound) })} ${value}\n`;
  const buckets = bounds.map((bound, at) => bucket(bound, cumulative[at] ?? count)).join("");
  const own = labelsText(labels);
  return `${buckets}${bucket(Infinity, count)}${name}_sum${own} ${valueText(sum)}\n${name}_count${own} ${count}\n`;
}

function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  if (labels === undefined) return "";
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function valueText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

function escapeHelp(help: string): string {
  return help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(value: string): string {
  return escapeHelp(value).replaceAll('"', '\\"');
}
