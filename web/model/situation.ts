/**
 * What the page tells of the cluster, in words and numbers, whatever stands behind it: a member in this tab, or the
 * edge. Edge and room make it, the view shows it and decides nothing.
 */

/** good: serves. busy: on its way, or waiting for others. bad: somebody must do something. plain: a fact. */
export type Tone = "good" | "busy" | "bad" | "plain";

export interface Action {
  readonly label: string;
  /** What must be understood first; asked before it runs. */
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
  /** How far it is behind, in words. */
  readonly lag: string;
  /** Undefined: this page cannot know. */
  readonly present: boolean | undefined;
  /** Why it cannot be asked. */
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
}

export const UNKNOWN = "–";

/** "3 s", "2 min": since when something is so. */
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

/** Ids have up to 20 digits; where there is no name, both ends of one tell it apart. */
export function shortId(id: string): string {
  return id.length > 9 ? `${id.slice(0, 4)}…${id.slice(-4)}` : id;
}
