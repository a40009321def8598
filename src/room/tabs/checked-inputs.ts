/** The inputs of a tab's member, each of which passes the holder's check first (holder-check.ts). */
import type { Clock } from "../../member/clock.ts";
import type { Services } from "../../member/api/services.ts";
import { RPC_KINDS } from "../../protocol/api/rpc/rpc-kinds.ts";
import type { AnyRpcKinds } from "../../protocol/api/rpc/rpc-kinds.ts";
import { NotSentError } from "../../client/common/transport-errors.ts";
import type { TabTransport } from "../member/tab-transport.ts";
import type { HolderCheck } from "./holder-check.ts";

type Method = (this: void, message: unknown, context: unknown) => unknown;

/** Frames that wait for a look. Transports may lose frames. */
const FRAMES_MAX = 256;

export function checkedClock(clock: Clock, check: HolderCheck): Clock {
  return {
    ...clock,
    setTimer(delayMs, fire) {
      let isCanceled = false;
      const cancel = clock.setTimer(delayMs, () => check.run(() => (isCanceled ? undefined : fire())));
      return () => {
        isCanceled = true;
        cancel();
      };
    },
  };
}

export function checkedTransport(transport: TabTransport, check: HolderCheck): TabTransport {
  return {
    maxFrameBytes: transport.maxFrameBytes,
    start: (handlers) =>
      transport.start({
        onFrame: (from, frame, done) => {
          if (check.waiting >= FRAMES_MAX) return done();
          check.run(() => handlers.onFrame(from, frame, done), done);
        },
        // It only reads, and is asked again for each frame.
        admit: (peer, proof) => handlers.admit?.(peer, proof),
        onDenied: (peer, code) => check.run(() => handlers.onDenied?.(peer, code)),
        onPeerUp: (peer) => check.run(() => handlers.onPeerUp(peer)),
        onPeerDown: (peer) => check.run(() => handlers.onPeerDown(peer)),
      }),
    send: (to, frame) => transport.send(to, frame),
    setPeers: (peers) => transport.setPeers(peers),
    isAuthenticated: (peer) => transport.isAuthenticated(peer),
    ...(transport.proofOf === undefined ? {} : { proofOf: (peer) => transport.proofOf?.(peer) }),
    retryNow: () => transport.retryNow(),
    ...(transport.follow === undefined ? {} : { follow: (membership) => transport.follow?.(membership) }),
    close: () => transport.close(),
  };
}

/** Watches pass: what they tell is committed, however late. */
export function checkedServices(services: Services, check: HolderCheck): Services {
  const all = Object.entries(services).map(([name, service]) => {
    const kinds = (RPC_KINDS as AnyRpcKinds)[name];
    if (kinds === undefined || name === "watch") return [name, service];
    const methods = Object.entries(service as Readonly<Record<string, Method>>).map(([key, method]) => {
      if (key === "observe") return [key, method];
      return [key, kinds[key] === "serverStream" ? checkedStream(method, check) : checkedCall(method, check)];
    });
    return [name, Object.fromEntries(methods)];
  });
  return Object.fromEntries(all) as Services;
}

function checkedCall(method: Method, check: HolderCheck): Method {
  return (message, context) => {
    if (check.isValid) return method(message, context);
    return passed(check).then(() => method(message, context));
  };
}

function checkedStream(method: Method, check: HolderCheck): Method {
  return async function* stream(message, context) {
    await passed(check);
    yield* method(message, context) as AsyncIterable<unknown>;
  };
}

/** Rejects when the lock is another tab's: opening or deleting the store would take it from that one. */
export function passed(check: HolderCheck): Promise<void> {
  return new Promise((resolve, reject) =>
    check.run(resolve, () => reject(new NotSentError("another tab has taken the room over"))),
  );
}
