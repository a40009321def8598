/**
 * etcd's Election service: the oldest key of the queue under the election's name leads, and its value is what it
 * proclaims.
 */
import { equalBytes, prefixEnd } from "../../../base/bytes.ts";
import { campaignResponse, leaderResponse, proclaimResponse, resignResponse } from "../../../protocol/api/election.ts";
import type { CampaignRequest, CampaignResponse, LeaderKey, LeaderResponse } from "../../../protocol/api/election.ts";
import type { ResponseHeader } from "../../../protocol/api/header.ts";
import { deleteRangeRequest, putRequest, rangeRequest, txnRequest } from "../../../protocol/api/kv.ts";
import type { KeyValue } from "../../../protocol/api/kv.ts";
import { watchCreateRequest } from "../../../protocol/api/watch.ts";
import type { CallContext, ElectionService, LeaderStream } from "../../api/services.ts";
import {
  KeyWatch,
  withServiceErrors,
  createdAt,
  errContextCanceled,
  oldestKey,
  serviceError,
  electionPrefix,
  sessionLease,
  waitDeletes,
  withPlace,
} from "./concurrency.ts";
import type { SessionServices } from "./concurrency.ts";

export function electionService(services: SessionServices): ElectionService {
  return {
    campaign: (request, context) => withServiceErrors(() => campaignFor(services, request, context)),
    proclaim: ({ leader, value }, context) =>
      withServiceErrors(async () => {
        const proven = provided(leader);
        const lease = await sessionLease(services, proven.lease, context);
        return proclaimResponse({ header: await proclaim(services, { ...proven, lease }, value, context) });
      }),
    leader: ({ name }, context) =>
      withServiceErrors(async () => {
        const { kvs, header } = await services.kv.range(oldestKey(electionPrefix(name)), context);
        if (kvs[0] === undefined) throw serviceError("election: no leader");
        return leaderResponse({ header, kv: kvs[0] });
      }),
    observe: ({ name }, context) => new Observation(services, electionPrefix(name), context),
    resign: ({ leader }, context) =>
      withServiceErrors(async () => {
        const proven = provided(leader);
        // A leader key without a lease gets one that is not needed, because etcd creates the session before it
        // validates.
        await sessionLease(services, proven.lease, context);
        return resignResponse({ header: await resign(services, proven, context) });
      }),
  };
}

function provided(leader: LeaderKey | undefined): LeaderKey {
  if (leader === undefined) throw serviceError('"leader" field must be provided');
  return leader;
}

/** Waits until elected. Rejects with the errors of the services that it uses. */
export function campaignFor(
  services: SessionServices,
  request: CampaignRequest,
  context: CallContext,
): Promise<CampaignResponse> {
  const { name, value } = request;
  const prefix = electionPrefix(name);
  return withPlace(services, prefix, request.lease, context, async (place) => {
    const { key, lease } = place;
    const txn = txnRequest({
      compare: [createdAt(key, 0)],
      success: [{ type: "put", put: putRequest({ key, value, lease }) }],
      failure: [{ type: "range", range: rangeRequest({ key }) }],
    });
    const { header, succeeded, responses } = await services.kv.txn(txn, context);
    const former = !succeeded && responses[0]?.type === "range" ? responses[0].range.kvs[0] : undefined;
    place.revision = former?.createRevision ?? header.revision;
    const leader: LeaderKey = { name, key, rev: place.revision, lease };
    if (former !== undefined && !equalBytes(former.value, value)) {
      await proclaimOrResign(services, leader, value, context);
    }
    // A caller that is still there when this fails may campaign again with the same lease. Its position is kept.
    await waitDeletes(services, prefix, leader.rev, context);
    return campaignResponse({ header, leader });
  });
}

async function proclaimOrResign(
  services: SessionServices,
  leader: LeaderKey,
  value: Uint8Array,
  context: CallContext,
): Promise<void> {
  try {
    await proclaim(services, leader, value, context);
  } catch (error) {
    await resign(services, leader, context);
    throw error;
  }
}

async function proclaim(
  { kv }: SessionServices,
  { key, rev, lease }: LeaderKey,
  value: Uint8Array,
  context: CallContext,
): Promise<ResponseHeader> {
  const put = { type: "put", put: putRequest({ key, value, lease }) } as const;
  const { header, succeeded } = await kv.txn(txnRequest({ compare: [createdAt(key, rev)], success: [put] }), context);
  if (!succeeded) throw serviceError("election: not leader");
  return header;
}

/** Deletes the leader's key. A caller that no longer leads has nothing to give up, and gets no error. */
async function resign({ kv }: SessionServices, { key, rev }: LeaderKey, context: CallContext): Promise<ResponseHeader> {
  const gone = { type: "deleteRange", deleteRange: deleteRangeRequest({ key }) } as const;
  return (await kv.txn(txnRequest({ compare: [createdAt(key, rev)], success: [gone] }), context)).header;
}

/** Streams each leader of an election, and each value that it proclaims, from now on. */
class Observation implements LeaderStream {
  readonly #services: SessionServices;
  readonly #prefix: Uint8Array;
  readonly #context: CallContext;
  readonly #over: AbortController = new AbortController();
  readonly #abort: () => void = () => this.close();
  /** Contained in one response of the watch, and not taken yet. */
  #waiting: LeaderResponse[] = [];
  /** Watch on the leader's key; undefined while there is none. */
  #watch: KeyWatch | undefined;

  constructor(services: SessionServices, prefix: Uint8Array, context: CallContext) {
    this.#services = services;
    this.#prefix = prefix;
    this.#context = { ...context, signal: this.#over.signal };
    context.signal?.addEventListener("abort", this.#abort, { once: true });
    if (context.signal?.aborted === true) this.close();
  }

  async next(): Promise<LeaderResponse | undefined> {
    try {
      return await withServiceErrors(async () => {
        for (;;) {
          const next = this.#waiting.shift();
          if (next !== undefined) return next;
          if (this.#watch === undefined) return await this.#findLeader();
          await this.#follow(this.#watch);
        }
      });
    } catch (error) {
      if (this.#over.signal.aborted) return undefined;
      this.close();
      // etcd returns one error whatever ended it.
      throw error === errContextCanceled ? error : serviceError("election: observe closed early");
    }
  }

  close(): void {
    this.#over.abort();
    this.#watch?.close();
  }

  async #findLeader(): Promise<LeaderResponse> {
    const { kvs, header } = await this.#services.kv.range(oldestKey(this.#prefix), this.#context);
    const found = kvs[0] === undefined ? await this.#firstPut(header.revision) : { header, kv: kvs[0] };
    const create = watchCreateRequest({ key: found.kv.key, startRevision: found.header.revision + 1 });
    this.#watch = new KeyWatch(this.#services, create, this.#context);
    return leaderResponse(found);
  }

  async #firstPut(startRevision: number): Promise<{ readonly header: ResponseHeader; readonly kv: KeyValue }> {
    const create = watchCreateRequest({ key: this.#prefix, rangeEnd: prefixEnd(this.#prefix), startRevision });
    const watch = new KeyWatch(this.#services, create, this.#context);
    try {
      for (;;) {
        const { header, events } = await watch.next();
        const kv = events.find(({ type }) => type === "PUT")?.kv;
        if (kv !== undefined) return { header: { ...header, revision: kv.modRevision }, kv };
      }
    } finally {
      watch.close();
    }
  }

  async #follow(watch: KeyWatch): Promise<void> {
    const { header, events } = await watch.next();
    for (const { type, kv } of events) {
      if (type === "DELETE") {
        watch.close();
        this.#watch = undefined;
        return;
      }
      this.#waiting.push(leaderResponse({ header, kv }));
    }
  }
}
