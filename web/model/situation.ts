/**
 * What the page shows of the cluster, in words and numbers, for a member in this tab and for the edge alike. The
 * sources in edge and room make it; the view only shows it.
 */

/** good: serves. busy: starts, or waits for others. bad: somebody must act. plain: a fact. */
export type Tone = "good" | "busy" | "bad" | "plain";

export interface Action {
  readonly label: string;
  /** The question to confirm before it runs. */
  readonly warning?: string;
  readonly run: () => void;
}

export interface Fact {
  readonly label: string;
  readonly value: string;
}

export interface MemberRow {
  readonly id: string;
  readonly name: string;
  readonly isSelf: boolean;
  readonly role: "leader" | "voter" | "learner" | "candidate" | "unknown";
  /** As what it was invited. */
  readonly invited?: "member" | "reader" | undefined;
  /** How far it is behind, in words. */
  readonly lag: string;
  /** Undefined if this page cannot know it. */
  readonly present: boolean | undefined;
  /** Why the member cannot be reached. */
  readonly trouble?: string;
}

export interface Situation {
  /** What this tab is: a role, or "Client". */
  readonly badge: { readonly text: string; readonly tone: Tone };
  /** Whether it serves and if not why, in whole sentences. */
  readonly standing: { readonly tone: Tone; readonly text: string; readonly actions: readonly Action[] };
  /** Always the same ones in the same order. */
  readonly facts: readonly Fact[];
  readonly members: readonly MemberRow[];
  readonly revision: number;
  /** Why nothing can be changed here; absent where it can. */
  readonly readOnly?: string | undefined;
}

export const UNKNOWN = "–";

/** Formats a duration: "3 s", "2 min". */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

export function lagText(behind: number | undefined): string {
  if (behind === undefined) return UNKNOWN;
  return behind <= 0 ? "in step" : `${behind.toLocaleString("en")} behind`;
}

/** Shortens an id of up to 20 digits to its two ends, for a member without a name. */
export function shortId(id: string): string {
  return id.length > 9 ? `${id.slice(0, 4)}…${id.slice(-4)}` : id;
}
