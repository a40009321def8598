/** Describes the edge cluster in words and numbers, from the status of its members. Pure. */
import type { MemberView } from "../../src/member/api/services.ts";
import { numberText, sizeText } from "../model/bytes-text.ts";
import { durationText, lagText, UNKNOWN } from "../model/situation.ts";
import type { Fact, MemberRow, Situation } from "../model/situation.ts";
import type { EdgeMember } from "./edge-cluster.ts";

export function edgeSituation(members: readonly EdgeMember[], troubleMs: number): Situation {
  const views = members.flatMap(({ view, trouble }) => (view !== undefined && trouble === undefined ? [view] : []));
  const newest = newestOf(views);
  return {
    badge: { text: "Client", tone: "plain" },
    standing: standingOf(members, views, newest, troubleMs),
    facts: factsOf(members, views, newest),
    members: rowsOf(members, newest),
    revision: newest?.revision ?? 0,
  };
}

/** Takes the status with the latest term, and of those the one with the highest index. */
function newestOf(views: readonly MemberView[]): MemberView | undefined {
  return views.reduce<MemberView | undefined>(
    (best, view) =>
      best === undefined || view.term > best.term || (view.term === best.term && view.commit > best.commit)
        ? view
        : best,
    undefined,
  );
}

function standingOf(
  members: readonly EdgeMember[],
  views: readonly MemberView[],
  newest: MemberView | undefined,
  troubleMs: number,
): Situation["standing"] {
  const say = (tone: "good" | "busy" | "bad", text: string): Situation["standing"] => ({ tone, text, actions: [] });
  if (members.length === 0) return say("busy", "Asking the members at the edge.");
  const since = durationText(troubleMs);
  if (newest === undefined) {
    return say("bad", `No member can be asked (${since}): ${members[0]?.trouble ?? "no answer"}. Trying again.`);
  }
  const total = newest.members.length;
  const down = total - views.length;
  if (leaderOf(views) === undefined) {
    return say("bad", newest.problem?.text ?? `No leader is known (${since}); writes wait until one is elected.`);
  }
  if (down > 0) return say("busy", `Ready, with ${views.length} of ${total} members: reads and writes are served.`);
  return say("good", "Ready: reads and writes are served, and all members are there.");
}

function factsOf(
  members: readonly EdgeMember[],
  views: readonly MemberView[],
  newest: MemberView | undefined,
): readonly Fact[] {
  const number = (value: number | undefined): string => (value === undefined ? UNKNOWN : numberText(value));
  const there =
    newest === undefined ? UNKNOWN : `${views.length} of ${Math.max(newest.members.length, members.length)}`;
  return [
    { label: "Members", value: there },
    { label: "Leader", value: leaderOf(views)?.name ?? (newest === undefined ? UNKNOWN : "none") },
    { label: "Term", value: number(newest?.term) },
    { label: "Commit", value: number(newest?.commit) },
    { label: "Applied", value: number(newest?.applied) },
    { label: "Revision", value: number(newest?.revision) },
    { label: "Compacted", value: newest === undefined ? UNKNOWN : compactedText(newest.compactRevision) },
    { label: "Stored", value: newest === undefined ? UNKNOWN : sizeText(newest.dbSizeBytes) },
  ];
}

/** Formats the compact revision. In etcd it is -1 before the first compaction. */
function compactedText(revision: number): string {
  return revision > 0 ? numberText(revision) : "never";
}

function leaderOf(views: readonly MemberView[]): MemberView | undefined {
  return views.find(({ id, role }) => role === "leader" && views.some(({ leader }) => leader === id));
}

function rowsOf(members: readonly EdgeMember[], newest: MemberView | undefined): readonly MemberRow[] {
  return members.map(({ number, view, trouble }): MemberRow => {
    if (view === undefined) {
      const row: MemberRow = {
        id: String(number),
        name: `edge-${number}`,
        isSelf: false,
        role: "unknown",
        lag: UNKNOWN,
        present: false,
      };
      return trouble === undefined ? row : { ...row, trouble };
    }
    const role = view.role === "follower" ? "voter" : view.role;
    const row: MemberRow = {
      id: view.id,
      name: view.name,
      isSelf: false,
      role: trouble === undefined ? role : "unknown",
      lag: lagText(newest === undefined ? undefined : newest.commit - view.applied),
      present: trouble === undefined,
    };
    return trouble === undefined ? row : { ...row, trouble };
  });
}
