/**
 * What a watch stream said, watch by watch. How events are batched, and of which revision the headers of batches are, is
 * chance; which events come, in which order, and that no revision is torn apart, is not.
 */
import { normal } from "./normal.ts";

interface WatchLine {
  readonly header?: { readonly revision?: string };
  readonly watch_id?: string;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly fragment?: boolean;
  readonly events?: readonly { readonly kv?: { readonly mod_revision?: string } }[];
}

export class WatchLog {
  /** Watches that will say more. */
  readonly live: Set<string> = new Set();
  /** How many requests for a watch were answered. */
  created = 0;
  /** Of the latest answer to a progress request; 0 before the first. */
  progressRevision = 0;
  #said: Record<string, unknown[]> = {};
  #lastRevision: Map<string, { revision: string; fragment: boolean }> = new Map();

  /** What was said since the last time. */
  take(): Record<string, unknown[]> {
    const said = this.#said;
    this.#said = {};
    return said;
  }

  /** As `take`, but it stays. */
  look(): Record<string, unknown[]> {
    return this.#said;
  }

  add(frame: string, names: ReadonlyMap<string, string>): void {
    const line = JSON.parse(frame) as { readonly result?: WatchLine; readonly error?: unknown };
    if (line.result === undefined) {
      this.#say("stream", normal(line, "/v3/watch", names));
      return;
    }
    const { header, watch_id: id = "0", events = [], ...rest } = line.result;
    if (rest.created === true || rest.canceled === true) {
      if (rest.created === true) this.created++;
      if (rest.created === true && rest.canceled !== true) this.live.add(id);
      if (rest.canceled === true) this.live.delete(id);
      const revision = rest.created === true ? { revision: header?.revision } : {};
      this.#say(id, normal({ ...revision, ...rest }, "/v3/watch", names));
    } else if (events.length === 0) {
      this.progressRevision = Number(header?.revision ?? 0);
    }
    this.#checkWhole(id, events, rest.fragment === true);
    for (const event of events) this.#say(id, normal(event, "/v3/watch", names));
  }

  #checkWhole(id: string, events: readonly { readonly kv?: { readonly mod_revision?: string } }[], fragment: boolean) {
    const first = events[0]?.kv?.mod_revision;
    const last = events[events.length - 1]?.kv?.mod_revision;
    if (first === undefined || last === undefined) return;
    const former = this.#lastRevision.get(id);
    if (former?.revision === first && !former.fragment) this.#say(id, "a revision is torn apart here");
    this.#lastRevision.set(id, { revision: last, fragment });
  }

  #say(id: string, item: unknown): void {
    (this.#said[id] ??= []).push(item);
  }
}
