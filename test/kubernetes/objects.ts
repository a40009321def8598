/** The objects of a cluster, as large as real ones, and an account of all that was ever done to them. */
import { utf8Decode, utf8Encode } from "../../src/base/utf8.ts";

/** The label is followed by a NUL and filler. */
export function objectOf(label: string, bytes: number): Uint8Array {
  const value = new Uint8Array(bytes).fill(0x7b);
  const head = utf8Encode(`${label}\0`);
  value.set(head);
  return value;
}

export function labelOf(value: Uint8Array): string {
  return utf8Decode(value.subarray(0, value.indexOf(0)));
}

export interface Version {
  readonly label: string;
  readonly revision: number;
}

interface Change {
  readonly key: string;
  readonly revision: number;
  /** Undefined: it was deleted. */
  readonly label: string | undefined;
  readonly before: Version | undefined;
}

export class Ledger {
  readonly #current: Map<string, Version> = new Map();
  /** By resource. */
  readonly #changes: Map<string, Change[]> = new Map();
  #revision = 0;

  written(key: string, label: string | undefined, revision: number): void {
    const before = this.#current.get(key);
    const changes = this.#changes.get(resourceOf(key)) ?? [];
    this.#changes.set(resourceOf(key), changes);
    changes.push({ key, revision, label, before });
    this.#revision = Math.max(this.#revision, revision);
    if (label === undefined) this.#current.delete(key);
    else this.#current.set(key, { label, revision });
  }

  current(key: string): Version | undefined {
    return this.#current.get(key);
  }

  get revision(): number {
    return this.#revision;
  }

  /** What a list at `revision` shows, as `key label@revision`. */
  at(prefix: string, revision: number): readonly string[] {
    const shown = new Map<string, string>();
    for (const change of this.#inOrder(prefix)) {
      if (change.revision > revision) break;
      if (change.label === undefined) shown.delete(change.key);
      else shown.set(change.key, `${change.key} ${change.label}@${change.revision}`);
    }
    return [...shown].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, text]) => text);
  }

  /** The events of a watch from `start` on, in the form of its lines. */
  received(prefix: string, start: number): readonly string[] {
    return this.#inOrder(prefix)
      .filter(({ revision }) => revision >= start)
      .map(({ key, revision, label, before }) => {
        const was = before === undefined ? "-" : `${before.label}@${before.revision}`;
        return `${revision} ${key} ${label ?? "-"} ${was}`;
      });
  }

  /** Answers of calls under way at the same time come in any order. */
  #inOrder(prefix: string): readonly Change[] {
    return [...this.#changes]
      .filter(([resource]) => resource.startsWith(prefix))
      .flatMap(([, changes]) => changes)
      .sort((left, right) => left.revision - right.revision);
  }
}

/** `/registry/RUN/RESOURCE/`. */
function resourceOf(key: string): string {
  return key.split("/", 4).join("/") + "/";
}
