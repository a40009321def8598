/** Opens the member of an object over its storage, and starts it behind etcd's API. */
import type { Hono } from "hono";
import { Prng } from "../../src/base/prng.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { bodyBytesFor } from "../../src/gateway/http/body.ts";
import { kvCalls } from "../../src/gateway/kv-calls.ts";
import { resumeSocket } from "../../src/gateway/stream/resume-socket.ts";
import type { MemberProblem } from "../../src/member/api/services.ts";
import { openTokenProvider } from "../../src/member/auth/token-providers.ts";
import { bootstrapStorage } from "../../src/member/node/bootstrap.ts";
import { Member } from "../../src/member/node/member.ts";
import type { BootstrapOptions } from "../../src/member/options.ts";
import { createServices } from "../../src/member/services/member-services.ts";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { openDurableObjectStorage } from "../../src/storage/durable-object/durable-object.ts";
import type { Identity } from "../../src/storage/storage.ts";
import { HttpTransport } from "../../src/transport/http.ts";
import { SplitTransport } from "../../src/transport/split-transport.ts";
import { recordOfKey } from "../common/cluster-record.ts";
import type { Entrance } from "../common/entrance.ts";
import { allowedOrigins, type Env } from "../common/env.ts";
import { objectClock } from "./clock.ts";
import { clusterOptions } from "./cluster-options.ts";
import type { ClientSockets } from "./client-sockets.ts";
import { flaggedOptions } from "./member-flags.ts";
import type { Running } from "./member-state.ts";
import { bootstrapOf, identityOf } from "./object-identity.ts";
import { memberNameOf } from "../common/identity.ts";
import { shownCluster } from "../common/operator-event.ts";
import { OperatorLog } from "./operator-log.ts";
import { PeerSockets } from "./peer-sockets.ts";
import { resumptionOf, wakeupOf } from "./saved-state.ts";

/**
 * Ticks of 100 ms without work after which the cluster quiesces: little more than an election timeout, the least there
 * is. What follows a call until then costs more than the call.
 */
const QUIESCE_AFTER_TICKS = 12;
const DELAYS = {
  // Each request between members is billed.
  commitDelayMs: 5,
  spareDelayMs: 20,
  // Of the tabs of a large room: a person sees no difference.
  learnerDelayMs: 25,
};

export interface RunHost {
  readonly ctx: DurableObjectState;
  readonly env: Env;
  readonly number: number;
  /** Name from which ids are derived. */
  readonly name: string;
  /** The cluster began from a snapshot. */
  readonly isRestored: boolean;
  readonly entrance: Entrance;
  /** False for the members of a room that are tabs. */
  readonly isObject: (id: MemberId) => boolean;
  readonly sockets: ClientSockets;
  readonly post: (to: MemberId, body: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;
  readonly onStopped: (member: Member, problem: MemberProblem) => void;
  readonly onMembership: (member: Member) => void;
  readonly onMigrated: (versions: { readonly from: number; readonly to: number }) => void;
}

export async function runMember(host: RunHost): Promise<Running> {
  const { ctx, env, number, name, entrance } = host;
  const identity = identityOf(name, number);
  const storage = openDurableObjectStorage(ctx.storage, { hasOutputGate: true, onMigrated: host.onMigrated });
  const bootstrap: BootstrapOptions = host.isRestored ? { type: "join" } : bootstrapOf(number, env);
  await new Promise<void>((resolve, reject) => {
    bootstrapStorage(storage, identity, bootstrap, (error) => (error === undefined ? resolve() : reject(error)));
  });
  const transport = new HttpTransport({ id: identity.memberId, post: host.post });
  const tabs = tabsOf(host, identity);
  const flagged = await flaggedOptions(env, ctx.storage);
  const member: Member = new Member({
    ...flagged,
    storage,
    transport: tabs === undefined ? transport : withTabs(transport, tabs, host, () => mayTabsLead(member, host)),
    ...(tabs === undefined ? {} : { admission: tabs.admission }),
    clock: objectClock,
    prng: new Prng(seed()),
    identity,
    bootstrap,
    quiesceAfterTicks: QUIESCE_AFTER_TICKS,
    startsQuiet: true,
    ...DELAYS,
    wakeup: await wakeupOf(ctx.storage),
    resumption: await resumptionOf(ctx.storage),
    cluster: { ...flagged.cluster, ...clusterOptions(number, { ...env, CLUSTER_NAME: name }) },
    onStopped: (problem) => host.onStopped(member, problem),
    onMembership: () => membershipChanged(host, tabs, member),
  });
  const tokens = await openTokenProvider(member.tokens, {
    type: env.AUTH_TOKEN,
    privateKey: env.AUTH_PRIVATE_KEY,
    publicKey: env.AUTH_PUBLIC_KEY,
    cluster: recordOfKey(env.CLUSTER_NAME) === undefined ? undefined : env.CLUSTER_NAME,
  });
  const services = createServices(member, { tokens }, (context) => entrance.admit(context));
  const maxBodyBytes = bodyBytesFor(member.settings.limits.requestBytes);
  let app: Hono | undefined;
  const makeApp = (): Hono =>
    gatewayApp(services, {
      allowedOrigins: allowedOrigins(env),
      maxBodyBytes,
      callers: member.callers,
      admit: (request) => entrance.refusal(request, member.machine.auth.enabled),
      acceptWebSocket: (_request, subprotocol) => host.sockets.accept(subprotocol),
      metricLabels: { cluster: shownCluster(env.CLUSTER_NAME), member: memberNameOf(number) },
    });
  const log = new OperatorLog(member, storage, env.CLUSTER_NAME, number);
  tabs?.serve(member);
  member.start();
  // In the same turn: before anything is applied, the watches that were open are back.
  host.sockets.resume((socket, saved) =>
    resumeSocket(services, socket, saved, { maxMessageBytes: maxBodyBytes }, member.callers),
  );
  return {
    type: "running",
    log,
    member,
    storage,
    transport,
    tabs,
    app: () => (app ??= makeApp()),
    calls: kvCalls(services.kv),
    services,
  };
}

function membershipChanged({ onMembership }: RunHost, tabs: PeerSockets | undefined, member: Member): void {
  onMembership(member);
  tabs?.guests.look(member);
}

/** Only a room's cluster has tabs. */
function tabsOf(
  { ctx, env, isObject }: RunHost,
  { memberId: id, clusterId: cluster }: Identity,
): PeerSockets | undefined {
  const { ROOM: room = "" } = env;
  return room === "" ? undefined : new PeerSockets({ ctx, env, id, cluster, room, isObject });
}

function withTabs(
  near: HttpTransport,
  { hub: far }: PeerSockets,
  { isObject }: RunHost,
  trustsFar: () => boolean,
): SplitTransport {
  return new SplitTransport({ near, far, isFar: (peer) => !isObject(peer), trustsFar });
}

/** Where tabs vote, and at an object that joins them and has nothing of their log yet. */
function mayTabsLead({ machine: { membership } }: Member, { isObject }: RunHost): boolean {
  const { voters } = membership.confState;
  return membership.shape.shape === "mixed" || voters.length === 0 || voters.some((id) => !isObject(id));
}

function seed(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
}
