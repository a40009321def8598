/** What a member's object knows of its member: it runs, it is down for a while, or it was removed for good. */
import type { Hono } from "hono";
import type { KvCall } from "../../src/gateway/kv-calls.ts";
import type { ProblemCode, Services } from "../../src/member/api/services.ts";
import type { Member } from "../../src/member/node/member.ts";
import type { Storage } from "../../src/storage/storage.ts";
import type { HttpTransport } from "../../src/transport/http.ts";
import type { PeerSockets } from "./peer-sockets.ts";
import type { OperatorLog } from "./operator-log.ts";
import type { Tombstone } from "./tombstone.ts";

export interface Running {
  readonly type: "running";
  readonly member: Member;
  readonly storage: Storage;
  readonly transport: HttpTransport;
  /** Of a room's cluster. */
  readonly tabs: PeerSockets | undefined;
  /** Serves HTTP. Made when it is first called: most of what an object is loaded for comes in batches. */
  readonly app: () => Hono;
  readonly calls: ReadonlyMap<string, KvCall>;
  readonly services: Services;
  readonly log: OperatorLog;
}

export interface Down {
  readonly type: "down";
  readonly code: ProblemCode;
  readonly text: string;
  readonly sinceMs: number;
}

/** Permanent. */
export interface Removed {
  readonly type: "removed";
  readonly tombstone: Tombstone;
}

export type MemberState = Running | Down | Removed;
