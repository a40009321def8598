/**
 * What a replica's client calls. Reads marked serializable, and watches from now on, are answered by the copy if they are
 * about its keys; everything else goes to the cluster.
 */
import type { CommonServices, ClientServices } from "../client/common/client-services.ts";
import type { CallContext, KvService, Services, WatchService, WatchStream } from "../member/api/services.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import type { RangeRequest, RangeResponse } from "../protocol/api/kv.ts";
import type { WatchRequest, WatchResponse } from "../protocol/api/watch.ts";
import { watchResponse } from "../protocol/api/watch.ts";
import { responseHeader } from "../protocol/api/header.ts";
import { rpcErrorText } from "../protocol/errors.ts";
import type { LocalReplica } from "./replica.ts";

export function replicaServices(replica: LocalReplica, remote: ClientServices): ClientServices {
  const kv: ClientServices["kv"] = {
    range: rangeOf(replica, remote.kv),
    put: (request, context) => remote.kv.put(request, context),
    deleteRange: (request, context) => remote.kv.deleteRange(request, context),
    txn: (request, context) => remote.kv.txn(request, context),
    compact: (request, context) => remote.kv.compact(request, context),
  };
  const watched = <Given extends CommonServices>(services: Given): Given => ({
    ...services,
    watch: watchOf(replica, services.watch),
  });
  return {
    kv,
    common: async () => watched(await remote.common()),
    all: async (): Promise<Services> => {
      const all = await remote.all();
      const { rangeStream } = all.kv;
      return { ...watched(all), kv: { ...kv, rangeStream: (request, context) => rangeStream(request, context) } };
    },
  };
}

function rangeOf(replica: LocalReplica, { range }: Pick<KvService, "range">): KvService["range"] {
  return async (request: RangeRequest, context: CallContext): Promise<RangeResponse> =>
    request.serializable && replica.answers(request) ? replica.range(request) : range(request, context);
}

function watchOf(replica: LocalReplica, remote: WatchService): WatchService {
  return { watch: (context) => new ReplicaWatchStream(replica, () => remote.watch(context)) };
}

/** It is known with the first watch who answers. */
class ReplicaWatchStream implements WatchStream {
  readonly #replica: LocalReplica;
  readonly #remote: () => WatchStream;
  #stream: WatchStream | undefined;
  #refused: WatchResponse | undefined;
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor(replica: LocalReplica, remote: () => WatchStream) {
    this.#replica = replica;
    this.#remote = remote;
  }

  request(request: WatchRequest): void {
    if (this.#isClosed || this.#refused !== undefined) return;
    if (this.#stream === undefined) {
      if (request.type !== "create") return;
      try {
        const { create } = request;
        const isHere = this.#replica.answers(create) && this.#replica.reaches(create.startRevision);
        this.#stream = isHere ? this.#replica.watch(create) : this.#remote();
        if (!isHere) this.#stream.request(request);
      } catch (error) {
        const known = error instanceof EtcdError ? error : new EtcdError(GrpcCode.Internal, String(error));
        const cancelReason = rpcErrorText(known);
        this.#refused = watchResponse({ header: responseHeader(), created: true, canceled: true, cancelReason });
      }
      return this.#wake?.();
    }
    this.#stream.request(request);
  }

  async next(): Promise<WatchResponse | undefined> {
    while (this.#stream === undefined && this.#refused === undefined && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const refused = this.#refused;
    if (refused === undefined) return this.#stream?.next();
    this.#isClosed = true;
    this.#refused = undefined;
    return refused;
  }

  close(): void {
    this.#isClosed = true;
    this.#stream?.close();
    this.#wake?.();
  }
}
