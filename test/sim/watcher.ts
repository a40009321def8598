/**
 * A client that watches all keys and never gives up. If its member is gone or its watch was cancelled, it resumes from
 * its last revision. It must see every revision, whole, once and in order, or be notified of what it missed.
 */
import { utf8Decode } from "../../src/base/utf8.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { Member } from "../../src/member/node/member.ts";
import type { HubStream } from "../../src/mvcc/watch/watch-hub.ts";
import { watchCreateRequest } from "../../src/protocol/api/watch.ts";
import type { WatchResponse } from "../../src/protocol/api/watch.ts";
import type { EventQueue } from "./event-queue.ts";
import type { ReferenceModel } from "./reference-model.ts";
import { Violation } from "./state-checker.ts";

const EVERYTHING = Uint8Array.of(0);

export interface WatcherHost {
  readonly queue: EventQueue;
  readonly prng: Prng;
  readonly model: ReferenceModel;
  /** 0: reads at once. */
  readonly slowReaderMs: () => number;
}

export class Watcher {
  readonly name: string;
  readonly #host: WatcherHost;
  #member: Member | undefined;
  #stream: HubStream | undefined;
  #nextRevision = 2;
  #watches = 0;
  #isReading = false;
  /** Number of compactions that it was notified of. */
  compacted = 0;

  constructor(host: WatcherHost, name: string) {
    this.#host = host;
    this.name = name;
  }

  get member(): Member | undefined {
    return this.#member;
  }

  get nextRevision(): number {
    return this.#nextRevision;
  }

  attach(member: Member): void {
    this.detach();
    this.#member = member;
    const stream = member.machine.hub.openStream(() => this.#readSoon(stream));
    this.#stream = stream;
    this.#create(member, stream);
  }

  detach(): void {
    // A member that crashed is not notified either.
    if (this.#member?.problem === undefined) this.#stream?.close();
    this.#member = undefined;
    this.#stream = undefined;
    this.#isReading = false;
  }

  #create(member: Member, stream: HubStream): void {
    // A new id each time: a watch that a compaction has cancelled keeps its id.
    const watchId = ++this.#watches;
    const startRevision = this.#nextRevision;
    stream.create(watchCreateRequest({ key: EVERYTHING, rangeEnd: EVERYTHING, startRevision, watchId }));
    member.syncWatchers();
  }

  #readSoon(stream: HubStream): void {
    if (this.#isReading || this.#stream !== stream) return;
    this.#isReading = true;
    const { queue, prng, slowReaderMs } = this.#host;
    const slowMs = slowReaderMs();
    queue.after(slowMs === 0 ? 0 : prng.next() * slowMs, () => {
      if (this.#stream !== stream) return;
      this.#isReading = false;
      this.#read(stream);
    });
  }

  #read(stream: HubStream): void {
    const member = this.#member;
    if (member === undefined || member.problem !== undefined) return;
    const responses = stream.take(this.#host.slowReaderMs() === 0 ? 100 : 3);
    for (const response of responses) {
      if (response.canceled) this.#onCancelled(response, member, stream);
      else if (response.events.length > 0) this.#onEvents(response);
    }
    if (responses.length > 0) this.#readSoon(stream);
    if (member.machine.hub.hasUnsynced) member.syncWatchers();
  }

  #onCancelled(response: WatchResponse, member: Member, stream: HubStream): void {
    const { compactRevision, cancelReason } = response;
    if (compactRevision === 0) throw this.#violation(`was cancelled without need: ${cancelReason}`);
    if (this.#nextRevision >= compactRevision || compactRevision > this.#host.model.compactRevision) {
      throw this.#violation(`got the error that ${compactRevision} was compacted, and waits for ${this.#nextRevision}`);
    }
    this.compacted++;
    this.#nextRevision = compactRevision;
    this.#create(member, stream);
  }

  #onEvents({ events, header }: WatchResponse): void {
    const { model } = this.#host;
    let at = 0;
    while (at < events.length) {
      const revision = this.#nextRevision;
      if (revision > model.revision) throw this.#violation(`got events beyond revision ${model.revision}`);
      for (const expected of model.events(revision)) {
        const event = events[at++];
        const kv = event?.kv;
        const same =
          kv !== undefined &&
          kv.modRevision === revision &&
          event?.type === expected.type &&
          utf8Decode(kv.key) === expected.key &&
          utf8Decode(kv.value) === expected.value;
        if (same) continue;
        const got = kv === undefined ? "nothing" : `${event?.type} ${utf8Decode(kv.key)} of revision ${kv.modRevision}`;
        throw this.#violation(`expected ${expected.type} ${expected.key} of revision ${revision}, got ${got}`);
      }
      this.#nextRevision++;
    }
    if (header.revision < this.#nextRevision - 1) throw this.#violation("got events from beyond the header's revision");
  }

  #violation(text: string): Violation {
    return new Violation(`watch: watcher ${this.name} at member ${this.#member?.id} ${text}`);
  }
}
