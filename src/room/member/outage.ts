/** Why a tab's member cannot serve, as its callers and its page are told. Pure. */
import type { MemberProblem } from "../../member/api/services.ts";
import type { OutageResponse } from "../../member/options.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";

/** What a request waits for an end of what is known. A shorter outage is not worth an error. */
const FAIL_AFTER_MS = 1_000;
/** Those who open a room together are not alone, though one of them comes first. */
const ALONE_AFTER_MS = 3_000;

export interface OutageFacts {
  readonly nowWallMs: number;
  /** Nobody else has been online since; undefined while somebody is. */
  readonly aloneSinceWallMs: number | undefined;
}

/** How requests end meanwhile. Undefined: as they do in etcd. */
export function roomOutage(problem: MemberProblem, facts: OutageFacts): OutageResponse | undefined {
  const reason = outageReason(problem, facts);
  if (reason === undefined) return undefined;
  const { nowWallMs, aloneSinceWallMs = Infinity } = facts;
  const isAlone = problem.code === "joining" && nowWallMs - aloneSinceWallMs >= ALONE_AFTER_MS;
  return {
    failAfterMs: problem.code === "no-quorum" || isAlone ? FAIL_AFTER_MS : Infinity,
    error: (isUnknown) => {
      const fate = isUnknown ? "; this write was proposed before, and its outcome is unknown" : "";
      return new EtcdError(GrpcCode.Unavailable, `${reason}${fate}`);
    },
  };
}

function outageReason({ code, sinceWallMs, voters }: MemberProblem, facts: OutageFacts): string | undefined {
  const { nowWallMs, aloneSinceWallMs } = facts;
  const since = sinceWallMs === undefined ? "" : ` since ${timeText(sinceWallMs, nowWallMs)}`;
  if (code === "no-quorum") return `no quorum: ${votersText(voters)} here${since}`;
  if (code === "no-leader") return `no leader${since}: an election is under way`;
  if (code === "catching-up") return `this tab has not caught up with its leader${since}`;
  if (code !== "joining") return undefined;
  const notYet = "this tab is not a member of its room yet";
  if (aloneSinceWallMs === undefined) return notYet;
  return `${notYet}, and nobody else has been here since ${timeText(aloneSinceWallMs, nowWallMs)}`;
}

/** The reason as a sentence for people, with what works all the same. */
export function problemText(problem: MemberProblem, nowWallMs: number): string {
  const { code, text, sinceWallMs, voters } = problem;
  if (sinceWallMs === undefined) return text;
  const since = timeText(sinceWallMs, nowWallMs);
  if (code === "no-leader") return `No leader since ${since}: an election is under way.`;
  if (code === "catching-up") return `${text} This tab’s copy is as of ${since}.`;
  if (code === "disk-full") return `${text} This tab’s copy is from ${since} or before.`;
  if (code !== "no-quorum") return text;
  const works = "Reads marked serializable answer from this tab’s copy; writes fail.";
  return `No quorum: ${votersText(voters)} here since ${since}. ${works}`;
}

function votersText({ here, total }: NonNullable<MemberProblem["voters"]> = { here: 0, total: 0 }): string {
  return `${here} of ${total} ${total === 1 ? "voter" : "voters"}`;
}

/** "14:03", and with its date where it is another day's. */
export function timeText(wallMs: number, nowWallMs: number): string {
  const time = new Date(wallMs);
  const hours = { hour: "2-digit", minute: "2-digit" } as const;
  if (time.toDateString() === new Date(nowWallMs).toDateString()) return time.toLocaleTimeString("en-GB", hours);
  return time.toLocaleString("en-GB", { ...hours, day: "numeric", month: "short", year: "numeric" });
}
