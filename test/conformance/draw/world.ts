/** What the one who draws requests knows of the servers: enough to ask for what exists, and for what just does not. */
import type { Prng } from "../../../src/base/prng.ts";
import type { Call, Step } from "../steps.ts";

export type Json = { [key: string]: unknown };

export interface OpenWatches {
  readonly name: string;
  /** Watches created, which tells the ids that the server chose. */
  created: number;
}

export class World {
  readonly prng: Prng;
  revision = 1;
  compacted = 0;
  authOn = false;
  /** Decimal ids, or names of ids that the server chose. */
  readonly leases: string[] = [];
  readonly watches: OpenWatches[] = [];
  readonly otherStreams: string[] = [];
  /** Calls that may still wait. */
  readonly waiting: string[] = [];
  /** User → the name of its latest token. */
  readonly tokens: Map<string, string> = new Map();
  /** Keys of locks that were given, as named by their steps. */
  readonly held: string[] = [];
  /** LeaderKeys of elections, as JSON text with names in it. */
  readonly elected: string[] = [];
  #counter = 0;

  constructor(prng: Prng) {
    this.prng = prng;
  }

  name(kind: string): string {
    return `${kind}${this.#counter++}`;
  }

  get hasStreams(): boolean {
    return this.watches.length + this.otherStreams.length + this.waiting.length > 0;
  }
}

export function call(path: string, body: Json, more: Omit<Call, "path" | "body"> = {}): Step {
  return { type: "call", path, body: JSON.stringify(body), ...more };
}

export function base64(text: string): string {
  return Buffer.from(text, "latin1").toString("base64");
}

const LETTERS = ["a", "b", "c", "d", "e", "f"];

export function drawKeyText(prng: Prng): string {
  const first = prng.pick(LETTERS);
  return prng.bool(0.3) ? `${first}/${prng.pick(LETTERS)}` : first;
}

export function drawKey(prng: Prng): string {
  return base64(drawKeyText(prng));
}

export function drawEnd(prng: Prng): string {
  return prng.bool(0.2) ? base64("\0") : drawKey(prng);
}

export function drawValue(prng: Prng): string {
  return base64(prng.pick(["", "v1", "v2", "v3", "value", "\u00ff\u0000"]));
}

export function drawRevision({ prng, revision, compacted }: World): number | string {
  const near = Math.max(revision - prng.int(0, 40), prng.bool(0.9) ? 1 : -40);
  return prng.pick<number | string>([
    ...[near, near, near, revision, revision + 1, revision + 50, 0, 1, -1, String(near)],
    ...[compacted, compacted + 1, compacted - 1, `${revision}`, 9_007_199_254_740_993n.toString()],
  ]);
}

export function drawLease(world: World): string {
  const { prng, leases } = world;
  if (leases.length > 0 && !prng.bool(0.2)) return prng.pick(leases);
  return prng.pick(["1", "2", "77", "-5", "9223372036854775807"]);
}

/** Of a stream: as somebody, as nobody, or with what is no token. */
export function tokenOf(world: World): { readonly token?: string } {
  const names = [...world.tokens.values()];
  if (names.length === 0 || world.prng.bool(0.15)) return world.prng.bool(0.5) ? {} : { token: "nobody.1" };
  return { token: `\${${world.prng.pick(names)}}` };
}
