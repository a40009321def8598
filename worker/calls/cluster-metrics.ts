/**
 * `/metrics` of a cluster: those of all its members in one response, with the label `member` on each sample, and which of
 * them answered.
 *
 * One member is asked first. Whether the caller may see metrics is what that member says.
 */
import { statusResponse } from "../../src/gateway/http/errors.ts";
import { PROMETHEUS_TYPE } from "../../src/gateway/http/prometheus.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { memberNameOf } from "../common/identity.ts";
import { shownCluster } from "../common/operator-event.ts";

/** More than a member without a leader waits for one, and less than Prometheus' default time-out of 10 s for both rounds. */
const ANSWER_MS = 4_500;
/** A member has some hundred samples. */
const TEXT_BYTES_MAX = 1024 * 1024;
/** Members beyond it are left out: there are at most a handful of voters. */
const MEMBERS_MAX = 64;

const UNAVAILABLE = 503;

/** The part of the balancer that is used here. */
export interface MetricsTarget {
  /** Numbers of the members, learners too, as far as they are known. */
  readonly numbers: readonly number[];
  forwardTo(request: Request, number: number): Promise<Response | undefined>;
}

type Scrape =
  | { readonly type: "text"; readonly response: Response; readonly text: string }
  | { readonly type: "refused"; readonly response: Response }
  | { readonly type: "silent" };

export async function clusterMetrics(members: MetricsTarget, request: Request, cluster: string): Promise<Response> {
  const scrapes = new Map<number, Scrape>();
  const unasked = (): readonly number[] =>
    members.numbers.filter((number) => !scrapes.has(number)).slice(0, MEMBERS_MAX - scrapes.size);
  let first: Response | undefined;
  let refused: Response | undefined;
  for (let number = unasked()[0]; number !== undefined && first === undefined; number = unasked()[0]) {
    const scrape = await scraped(members, request, number);
    scrapes.set(number, scrape);
    if (scrape.type === "text") first = scrape.response;
    if (scrape.type !== "refused") continue;
    refused = scrape.response;
    if (refused.status < UNAVAILABLE) return refused;
  }
  if (first === undefined) return refused ?? statusResponse(UNAVAILABLE, GrpcCode.Unavailable, "no member answers");
  // A response may have named members that were not known before.
  for (let rest = unasked(); rest.length > 0; rest = unasked()) {
    const answers = await Promise.all(rest.map((number) => scraped(members, request, number)));
    rest.forEach((number, at) => scrapes.set(number, answers[at] as Scrape));
  }
  // Those that were removed meanwhile are no members.
  const asked = [...scrapes].filter(([number]) => members.numbers.includes(number));
  const up = asked.map(([number, { type }]) => {
    return `quorate_member_up{cluster="${shownCluster(cluster)}",member="${memberNameOf(number)}"} ${type === "text" ? 1 : 0}`;
  });
  const own = ["# HELP quorate_member_up Whether the member answered.", "# TYPE quorate_member_up gauge", ...up];
  const texts = asked.flatMap(([, scrape]) => (scrape.type === "text" ? [scrape.text] : []));
  const body = merged([own.join("\n"), ...texts]);
  const headers = new Headers(first.headers);
  headers.delete("content-length");
  headers.set("content-type", PROMETHEUS_TYPE);
  return new Response(body, { headers });
}

async function scraped(members: MetricsTarget, request: Request, number: number): Promise<Scrape> {
  const { promise: late, resolve } = Promise.withResolvers<Scrape>();
  const timer = setTimeout(() => resolve({ type: "silent" }), ANSWER_MS);
  try {
    return await Promise.race([answered(members, request, number), late]);
  } catch {
    return { type: "silent" };
  } finally {
    clearTimeout(timer);
  }
}

async function answered(members: MetricsTarget, request: Request, number: number): Promise<Scrape> {
  const { headers, cf } = request;
  const response = await members.forwardTo(
    new Request(request.url, { headers, ...(cf === undefined ? {} : { cf }) }),
    number,
  );
  if (response === undefined) return { type: "silent" };
  if (response.status !== 200) return { type: "refused", response };
  const text = await response.text();
  return text.length > TEXT_BYTES_MAX ? { type: "silent" } : { type: "text", response, text };
}

/** The samples of a family stand together, behind its comments, which come once. */
function merged(texts: readonly string[]): string {
  const families = new Map<string, { readonly comments: Set<string>; readonly samples: string[] }>();
  for (const text of texts) {
    let family: { readonly comments: Set<string>; readonly samples: string[] } | undefined;
    for (const line of text.split("\n")) {
      const name = /^# (?:HELP|TYPE) (\S+)/.exec(line)?.[1];
      if (name !== undefined) {
        family = families.get(name) ?? { comments: new Set(), samples: [] };
        families.set(name, family);
        family.comments.add(line);
      } else if (line !== "") family?.samples.push(line);
    }
  }
  const lines = [...families.values()].flatMap(({ comments, samples }) => [...comments, ...samples]);
  return `${lines.join("\n")}\n`;
}
