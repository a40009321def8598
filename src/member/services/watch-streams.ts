/** Watch streams as an API layer sees them: requests in, responses pulled out one at a time. */
import { unreachable } from "../../base/assert.ts";
import { errNoLeader } from "../../protocol/errors.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import type { WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";
import type { HubStream, StreamPosition } from "../../mvcc/watch/watch-hub.ts";
import type { Member } from "../node/member.ts";
import { checkServing } from "../node/requests.ts";
import type { CallContext, WatchStream } from "../api/services.ts";

export interface RefusingStream extends Omit<WatchStream, "position"> {
  /** Responds to a watch request by cancelling the watch, with the interceptor's reason. */
  refuse(cancelReason: string): void;
  position(): StreamPosition | undefined;
}

/** Returns a function that opens streams without authorization; authorized-watch.ts adds it. */
export function watchStreams(member: Member): (context: CallContext) => RefusingStream {
  return (context) => {
    checkWatching(member, context);
    return openWatchStream(member, context, member.callers.take("streams", context).release);
  };
}

/** Returns a function that opens streams where former ones were. */
export function resumedStreams(member: Member): (context: CallContext, position: StreamPosition) => RefusingStream {
  return (context, position) => {
    checkWatching(member, context);
    const stream = new MemberWatchStream(member, context, member.callers.take("streams", context).release);
    // Whether there is a leader is found while the cluster is awake. That a member woke up is no reason to ask.
    if (context.requireLeader) stream.endWithoutLeader();
    stream.resume(position);
    return stream;
  };
}

/** With a full disk a watch tells what is here, and ends when the member does. Then its caller opens another one. */
function checkWatching(member: Member, { requireLeader }: CallContext): void {
  checkServing(member, true);
  if (requireLeader && member.problem !== undefined) throw errNoLeader;
}

function openWatchStream(member: Member, context: CallContext, onClosed: () => void): RefusingStream {
  const stream = new MemberWatchStream(member, context, onClosed);
  if (!context.requireLeader) return stream;
  stream.endWithoutLeader();
  // A member that was quiesced knows no leader yet. A linearizable read wakes the cluster.
  if (member.leader === 0n) {
    member.linearizable(
      () => {},
      () => stream.end(errNoLeader),
    );
  }
  return stream;
}

class MemberWatchStream implements RefusingStream {
  readonly #member: Member;
  readonly #stream: HubStream;
  #wanted: ((response: WatchResponse | undefined) => void) | undefined;
  #closed = false;
  /** The error that the reader gets at the end. */
  #error: EtcdError | undefined;
  #forget: () => void;
  readonly #onClosed: () => void;

  constructor(member: Member, context: CallContext, onClosed: () => void) {
    this.#member = member;
    this.#onClosed = onClosed;
    this.#stream = member.machine.hub.openStream(
      () => this.#deliver(),
      () => {
        const { callers } = member;
        return callers.budgets.watches.take(callers.keyOf(context))?.release;
      },
    );
    this.#forget = member.whenStopped(() => this.close());
  }

  request(request: WatchRequest): void {
    if (this.#closed) return;
    switch (request.type) {
      case "none":
        break;
      case "create":
        this.#stream.create(request.create);
        if (request.create.progressNotify) this.#member.notifyProgressEvery();
        this.#member.syncWatchers();
        break;
      case "cancel":
        this.#stream.cancel(request.cancel.watchId);
        break;
      case "progress":
        this.#stream.progress();
        break;
      default:
        unreachable(request);
    }
  }

  refuse(cancelReason: string): void {
    if (!this.#closed) this.#stream.refuse(cancelReason);
  }

  /** Undefined while the reader has not asked for more: it may not have sent what it took. */
  position(): StreamPosition | undefined {
    return this.#wanted === undefined ? undefined : this.#stream.position();
  }

  resume(position: StreamPosition): void {
    this.#stream.resume(position);
    if (position.watches.some(({ progressNotify }) => progressNotify)) this.#member.notifyProgressEvery();
    this.#member.syncWatchers();
  }

  async next(): Promise<WatchResponse | undefined> {
    const response = await new Promise<WatchResponse | undefined>((resolve) => {
      this.#wanted = resolve;
      this.#deliver();
    });
    if (response === undefined && this.#error !== undefined) throw this.#error;
    return response;
  }

  /** Ends the stream when the leader is lost: its caller set `hasleader`. */
  endWithoutLeader(): void {
    const forget = this.#forget;
    const forgetLoss = this.#member.leaderMonitor.onLost(() => this.end(errNoLeader));
    this.#forget = () => {
      forget();
      forgetLoss();
    };
  }

  end(error: EtcdError): void {
    if (this.#closed) return;
    this.#error = error;
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forget();
    this.#onClosed();
    this.#stream.close();
    this.#deliver();
  }

  #deliver(): void {
    const wanted = this.#wanted;
    if (wanted === undefined) return;
    if (this.#closed) {
      this.#wanted = undefined;
      wanted(undefined);
      return;
    }
    const [response] = this.#stream.take(1);
    // The hub closes the stream of a client that sends more and more requests and takes nothing.
    if (response === undefined && this.#stream.closed) return this.close();
    if (response === undefined) return;
    this.#wanted = undefined;
    // The stream's buffer has room: unsynced watchers may continue.
    if (this.#member.machine.hub.hasUnsynced) this.#member.syncWatchers();
    wanted(response);
  }
}
