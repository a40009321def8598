/** What a message does: a request at the leader, and all others after the rules of terms. */
import { unreachable } from "../base/assert.ts";
import type {
  AppendMessage,
  HeartbeatMessage,
  ProposeMessage,
  RaftMessage,
  ReadIndexMessage,
  SnapshotMessage,
  TransferLeaderMessage,
} from "../protocol/peer/raft-message.ts";
import { type Core, NONE } from "./core.ts";
import { handleTimeoutNow, handleVote, handleVoteResponse, settleTerm } from "./election.ts";
import { handleAppend, handleHeartbeat, handleSnapshot } from "./follower.ts";
import { handleAppendResponse, handleHeartbeatResponse } from "./leadership.ts";
import { acceptForwarded } from "./proposals.ts";
import { requestRead } from "./reads.ts";
import { becomeFollower } from "./roles.ts";
import { beginTransfer } from "./transfer.ts";

/**
 * Requests of members to the leader. The response, if any, is of the leader's term. A proposal is for one term only.
 */
type Request = ProposeMessage | ReadIndexMessage | TransferLeaderMessage;

/** Processes the messages of a term, after the rules of terms. Requests have rules of their own. */
export function dispatch(core: Core, message: RaftMessage): void {
  if (isRequest(message)) {
    if (core.isLeader) serve(core, message);
  } else if (settleTerm(core, message)) {
    dispatchInTerm(core, message);
  }
}

function serve(core: Core, message: Request): void {
  switch (message.type) {
    case "propose":
      return acceptForwarded(core, message);
    case "read-index":
      // A copy, because the context may be a view into a whole frame, which waiting reads would keep in memory.
      requestRead(core, { from: message.from, context: message.context.slice() });
      return undefined;
    case "transfer-leader":
      return beginTransfer(core, message.transferee);
    default:
      return unreachable(message);
  }
}

function dispatchInTerm(core: Core, message: Exclude<RaftMessage, Request>): void {
  switch (message.type) {
    case "vote":
    case "pre-vote":
      return handleVote(core, message);
    case "vote-response":
    case "pre-vote-response":
      return handleVoteResponse(core, message);
    case "append":
      return isFromLeader(core, message) ? handleAppend(core, message) : undefined;
    case "heartbeat":
      return isFromLeader(core, message) ? handleHeartbeat(core, message) : undefined;
    case "snapshot":
      return isFromLeader(core, message) ? handleSnapshot(core, message) : undefined;
    case "append-response":
      return core.isLeader ? handleAppendResponse(core, message) : undefined;
    case "heartbeat-response":
      return core.isLeader ? handleHeartbeatResponse(core, message) : undefined;
    case "timeout-now":
      return handleTimeoutNow(core, message);
    case "read-index-response":
      if (core.isLeader) return undefined;
      core.leaderCommit = Math.max(core.leaderCommit, message.index);
      core.readStates.push({ context: message.context, index: message.index });
      return undefined;
    default:
      return unreachable(message);
  }
}

/** Follows the sender. A term has one leader: a second member that claims to lead it is ignored. */
function isFromLeader(core: Core, message: AppendMessage | HeartbeatMessage | SnapshotMessage): boolean {
  if (core.role === "follower" && core.leader === message.from) {
    core.electionElapsed = 0;
    core.doubtsLeader = false;
    core.run = message.run ?? 0;
    return true;
  }
  if (core.leader !== NONE) return false;
  becomeFollower(core, core.term, message.from);
  core.run = message.run ?? 0;
  return true;
}

function isRequest(message: RaftMessage): message is Request {
  return message.type === "propose" || message.type === "read-index" || message.type === "transfer-leader";
}
