/** Conversations with a real etcd, kept as lines of JSON: a step and what etcd said to it. */
import type { Observation, Step } from "./steps.ts";

export interface Case {
  readonly step: Step;
  readonly said: Observation;
}

export function caseText({ step, said }: Case): string {
  return `${JSON.stringify(said === null ? [step] : [step, said])}\n`;
}

export function parseCases(text: string): readonly Case[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [step, said = null] = JSON.parse(line) as [Step, Observation?];
    return { step, said };
  });
}
