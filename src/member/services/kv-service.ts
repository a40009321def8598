/**
 * etcd's KV service over one member: validates as etcd does before Raft, proposes or reads, and fills in the header.
 */
import type { Caller } from "../../auth/auth-store.ts";
import { errStopped } from "../../protocol/errors.ts";
import { txnRequest } from "../../protocol/api/kv.ts";
import type { CompactionResponse, RangeRequest, RangeResponse, TxnRequest } from "../../protocol/api/kv.ts";
import { ResponseSizeLimit, returnsRanges, checkTxnResponse } from "../../mvcc/range/response-size-limit.ts";
import { checkRangeStream } from "../../mvcc/range/range-chunks.ts";
import {
  checkDeleteRange,
  checkPut,
  checkRange,
  checkTxn,
  isReadOnlyTxn,
  isSerializableTxn,
} from "../../mvcc/validate.ts";
import type { Authorizer } from "./authorizer.ts";
import type { Member } from "../node/member.ts";
import { checkLeader, checkServing, propose, readIndex, withHeader } from "../node/requests.ts";
import type { KvService } from "../api/services.ts";

/** A chunk of a streamed range targets a quarter of this, which is etcd's rule for the size of a request. */
const STREAM_PART_BYTES = 6 * 1024 * 1024;

/** Keys that a range counts before it lets others go on. That takes about 20 ms at the edge. */
const COUNTED_KEYS = 5_000;

export function kvService(member: Member, access: Authorizer): KvService {
  return {
    async range(request, context) {
      checkRange(request);
      checkLeader(member, context, request.serializable);
      if (!request.serializable) await readIndex(member);
      access.checkRange(await access.caller(context), request);
      return rangeOf(member, request);
    },
    async *rangeStream(request, context) {
      checkRange(request);
      checkRangeStream(request);
      checkLeader(member, context, request.serializable);
      if (!request.serializable) await readIndex(member);
      access.checkRange(await access.caller(context), request);
      const { store } = member.machine;
      for (const part of store.rangeChunks(request, STREAM_PART_BYTES)) {
        const isLast = part.header.revision !== 0;
        yield { rangeResponse: isLast ? withHeader(member, part) : part };
        checkServing(member, request.serializable);
        // A snapshot from the leader has replaced the rows. What remains would look like the end of the range.
        if (member.machine.store !== store) throw errStopped;
      }
    },
    async put(request, context) {
      checkPut(request);
      checkLeader(member, context);
      return withHeader(
        member,
        await propose(member, { type: "put", put: request }, await access.caller(context), context),
      );
    },
    async deleteRange(request, context) {
      checkDeleteRange(request);
      checkLeader(member, context);
      const caller = await access.caller(context);
      checkResponseSize(
        member,
        access,
        caller,
        txnRequest({ success: [{ type: "deleteRange", deleteRange: request }] }),
      );
      return withHeader(member, await propose(member, { type: "deleteRange", deleteRange: request }, caller, context));
    },
    async txn(request, context) {
      checkTxn(request, member.settings.limits.txnOperations);
      checkLeader(member, context, isReadOnlyTxn(request) && isSerializableTxn(request));
      if (!isReadOnlyTxn(request)) {
        const caller = await access.caller(context);
        checkResponseSize(member, access, caller, request);
        return withHeader(member, await propose(member, { type: "txn", txn: request }, caller, context));
      }
      if (!isSerializableTxn(request)) await readIndex(member);
      access.checkTxn(await access.caller(context), request);
      return withHeader(member, member.machine.store.txn(request, budgetOf(member)).response);
    },
    async compact(request, context): Promise<CompactionResponse> {
      checkLeader(member, context);
      await propose<undefined>(member, { type: "compaction", compaction: request }, context.caller, context);
      const revision = member.machine.store.revision;
      // Rows are removed in steps after the response. With `physical` the response waits for the last step.
      await new Promise<void>((resolve) => {
        member.scheduleCompaction(request.physical ? resolve : undefined);
        if (!request.physical) resolve();
      });
      checkServing(member);
      return { header: member.header(revision) };
    },
  };
}

/** Returns at once, unless it counts many keys: then other calls go on between its steps. */
function rangeOf(member: Member, request: RangeRequest): RangeResponse | Promise<RangeResponse> {
  const steps = member.machine.store.rangeInSteps(request, COUNTED_KEYS, () => budgetOf(member));
  const first = steps.next();
  return first.done === true ? withHeader(member, first.value) : remaining(member, steps, request.serializable);
}

async function remaining(
  member: Member,
  steps: Generator<void, RangeResponse, void>,
  isSerializable: boolean,
): Promise<RangeResponse> {
  const { store } = member.machine;
  for (;;) {
    await new Promise<void>((resolve) => void member.clock.setTimer(0, resolve));
    checkServing(member, isSerializable);
    // As in rangeStream.
    if (member.machine.store !== store) throw errStopped;
    const step = steps.next();
    if (step.done === true) return withHeader(member, step.value);
  }
}

/**
 * Throws if the response would be too large. Skipped without permission: the caller gets its error when the request is
 * applied, and learns nothing here.
 */
function checkResponseSize(member: Member, access: Authorizer, caller: Caller, request: TxnRequest): void {
  if (!returnsRanges(request)) return;
  try {
    access.checkTxn(caller, request);
  } catch {
    return;
  }
  checkTxnResponse(member.machine.store, request, budgetOf(member));
}

function budgetOf({ settings }: Member): ResponseSizeLimit {
  return new ResponseSizeLimit(settings.limits.responseBytes);
}
