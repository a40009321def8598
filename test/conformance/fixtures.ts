/** Conversations with a real etcd, kept as lines of JSON: a step and what etcd said to it. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Observation, Step } from "./steps.ts";

export interface Case {
  readonly step: Step;
  readonly said: Observation;
}

export class FixtureWriter {
  readonly #file: string;
  readonly #lines: string[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  add(step: Step, said: Observation): void {
    this.#lines.push(JSON.stringify(said === null ? [step] : [step, said]));
  }

  close(): void {
    writeFileSync(this.#file, `${this.#lines.join("\n")}\n`);
  }
}

export function parseFixture(text: string): readonly Case[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [step, said = null] = JSON.parse(line) as [Step, Observation?];
    return { step, said };
  });
}

export function readFixture(file: string | URL): readonly Case[] {
  return parseFixture(readFileSync(file, "utf8"));
}
