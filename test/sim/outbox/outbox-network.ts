/** The calls of a tab: requests and answers are lost, late, and delivered twice. */
import type { Prng } from "../../../src/base/prng.ts";
import type { Services } from "../../../src/member/api/services.ts";
import type { Member } from "../../../src/member/node/member.ts";
import { createServices } from "../../../src/member/services/member-services.ts";
import { EtcdError, GrpcCode } from "../../../src/protocol/errors.ts";
import type { EventQueue } from "../event-queue.ts";

const GIVE_UP_MS = 3_000;
const LATE_MS = 6_000;
const DELAY_MS = 40;

export interface OutboxNetworkHost {
  readonly queue: EventQueue;
  readonly prng: Prng;
  /** Of a request, of an answer, and of a second delivery. */
  readonly lossProbability: () => number;
  /** Returns a member that is up; undefined if none is. */
  readonly pick: () => Member | undefined;
}

export interface Caller {
  readonly isDead: boolean;
  /** Runs it now, or when the tab is no longer frozen. */
  readonly whenAwake: (run: () => void) => void;
}

const known: WeakMap<Member, Services> = new WeakMap();

function servicesOf(member: Member): Services {
  const services = known.get(member) ?? createServices(member);
  known.set(member, services);
  return services;
}

/** The services that an outbox uses. */
export function outboxServices(host: OutboxNetworkHost, caller: Caller): Pick<Services, "kv" | "lease"> {
  const call = async <Result>(invoke: (services: Services) => Promise<Result>): Promise<Result> =>
    new Promise((resolve, reject) => {
      if (!caller.isDead) send(host, caller, invoke, resolve, reject);
    });
  const unused = (): never => {
    throw new Error("an outbox does not call this");
  };
  return {
    kv: {
      txn: (request, context) => call(async ({ kv }) => kv.txn(request, context)),
      range: (request, context) => call(async ({ kv }) => kv.range(request, context)),
      put: unused,
      deleteRange: unused,
      compact: unused,
      rangeStream: unused,
    },
    lease: {
      grant: (request, context) => call(async ({ lease }) => lease.grant(request, context)),
      keepAlive: (request, context) => call(async ({ lease }) => lease.keepAlive(request, context)),
      revoke: unused,
      timeToLive: unused,
      leases: unused,
    },
  };
}

function send<Result>(
  { queue, prng, lossProbability, pick }: OutboxNetworkHost,
  { whenAwake }: Caller,
  invoke: (services: Services) => Promise<Result>,
  resolve: (result: Result) => void,
  reject: (error: Error) => void,
): void {
  const unavailable = new EtcdError(GrpcCode.Unavailable, "the network is broken");
  const happens = (): boolean => prng.bool(lossProbability());
  const answered = (tell: () => void): void => {
    if (!happens()) queue.after(prng.int(1, DELAY_MS), () => whenAwake(tell));
  };
  const arrive = (): void => {
    const member = pick();
    if (member === undefined) return;
    invoke(servicesOf(member)).then(
      (result) => answered(() => resolve(result)),
      (error: Error) => answered(() => reject(error)),
    );
  };
  const isLate = happens();
  if (!happens()) queue.after(prng.int(1, isLate ? LATE_MS : DELAY_MS), arrive);
  if (happens()) queue.after(prng.int(1, LATE_MS), arrive);
  queue.after(GIVE_UP_MS, () => whenAwake(() => reject(unavailable)));
}
