/** Members in one process, on memory storage and the memory transport: what the core costs when nothing else does. */
import { Prng } from "../../../src/base/prng.ts";
import type { Clock } from "../../../src/member/clock.ts";
import { bootstrapStorage } from "../../../src/member/node/bootstrap.ts";
import { createServices } from "../../../src/member/services/member-services.ts";
import { Member } from "../../../src/member/node/member.ts";
import type { BootstrapOptions } from "../../../src/member/options.ts";
import type { CallContext, Services } from "../../../src/member/api/services.ts";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { MemoryStorage } from "../../../src/storage/memory/memory.ts";
import { MemoryNetwork } from "../../../src/transport/memory.ts";

export const CALL: CallContext = { token: "", requireLeader: false };

export interface Group {
  readonly leader: Member;
  /** The leader's. */
  readonly services: Services;
  stop(): void;
}

/** Until somebody leads, time runs faster: nobody measures the election. */
const ELECTION_SPEED = 50;

export async function startGroup(size: number): Promise<Group> {
  let speed = ELECTION_SPEED;
  const clock: Clock = {
    nowMs: () => performance.now(),
    setTimer(delayMs, fire) {
      const timer = setTimeout(fire, delayMs / speed);
      return () => clearTimeout(timer);
    },
    defer: (run) => queueMicrotask(run),
  };
  const network = new MemoryNetwork();
  const founders = Array.from({ length: size }, (_, at) => memberRecord({ id: BigInt(at + 1), name: `m${at + 1}` }));
  const bootstrap: BootstrapOptions = { type: "found", members: founders };
  const members = await Promise.all(
    founders.map(async ({ id, name }) => {
      const storage = new MemoryStorage();
      const identity = { clusterId: 7n, memberId: id, name };
      await new Promise<void>((resolve) => bootstrapStorage(storage, identity, bootstrap, () => resolve()));
      const transport = network.transportFor(id);
      return new Member({ storage, transport, clock, prng: new Prng(id), identity, bootstrap });
    }),
  );
  for (const member of members) member.start();
  const leader = await elected(members);
  speed = 1;
  return {
    leader,
    services: createServices(leader),
    stop() {
      for (const member of members) member.stop();
    },
  };
}

async function elected(members: readonly Member[]): Promise<Member> {
  for (;;) {
    const leader = members.find(({ id }) => members.every((member) => member.leader === id));
    if (leader !== undefined) return leader;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
