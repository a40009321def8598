/** Which streams of a multiplexed connection can be saved and resumed: watches, and keep-alives without a token. */
import type {
  CallContext,
  MemberWatchService,
  Services,
  WatchService,
  WatchStream,
} from "../../member/api/services.ts";
import { rpcPath } from "../../protocol/api/rpc/rpc.ts";
import { RPCS } from "../../protocol/api/rpc/rpc-table.ts";
import { KeepAliveRequests } from "./lease-stream.ts";
import type { MuxMethod } from "./mux-methods.ts";
import { positionOf, savedKeepAlives, type SavedProgress, type SavedStream, savedWatch } from "./saved-stream.ts";
import type { BidiStream } from "./websocket.ts";

export interface StreamToSave {
  readonly stream: SavedStream;
  readonly revision: number;
}

/** Returns undefined while the stream cannot be saved. */
export function savedStream(
  id: number,
  context: CallContext,
  stream: BidiStream<unknown, unknown> | undefined,
): StreamToSave | undefined {
  if (stream instanceof KeepAliveRequests) {
    // Without its token the next keep-alive would be refused, and tokens are not saved.
    const isSavable = stream.isIdle && context.token === "";
    return isSavable ? { stream: savedKeepAlives(id, context), revision: 0 } : undefined;
  }
  const position = (stream as Partial<WatchStream> | undefined)?.position?.();
  return position === undefined
    ? undefined
    : { stream: savedWatch(id, context, position), revision: position.revision };
}

export interface ResumedStream {
  readonly method: MuxMethod;
  readonly stream: BidiStream<unknown, unknown>;
}

export function resumedStream(
  services: Services,
  methods: ReadonlyMap<string, MuxMethod>,
  saved: SavedStream,
  context: CallContext,
  progress: SavedProgress,
): ResumedStream {
  const method = methods.get(rpcPath(saved.isWatch ? RPCS.watch.watch : RPCS.lease.keepAlive));
  if (method === undefined) throw new Error("the member does not serve the stream");
  const stream = saved.isWatch
    ? resumable(services.watch).resume({ context, position: positionOf(saved, progress) })
    : new KeepAliveRequests(services.lease, context);
  return { method, stream };
}

/** Throws if the watches are not those of a member. */
export function resumable(watch: WatchService): MemberWatchService {
  if ("resume" in watch) return watch as MemberWatchService;
  throw new Error("these watches cannot be resumed");
}
