/** A real member with memory storage, alone in its group; runs in every runtime. */
import { Prng } from "../../../src/base/prng.ts";
import type { Clock } from "../../../src/member/clock.ts";
import { bootstrapStorage } from "../../../src/member/node/bootstrap.ts";
import { Member } from "../../../src/member/node/member.ts";
import { createServices } from "../../../src/member/services/member-services.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { MemoryStorage } from "../../../src/storage/memory/memory.ts";
import { MemoryNetwork } from "../../../src/transport/memory.ts";

const clock: Clock = {
  nowMs: () => performance.now(),
  setTimer(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
  defer: (run) => queueMicrotask(run),
};

/** A group of one, which has elected itself when the promise resolves. */
export async function startMember(
  clusterId: bigint = 0xfedc_ba98_7654_3210n,
): Promise<{ readonly member: Member; readonly services: Services }> {
  const identity = { clusterId, memberId: 0xffff_0000_0000_0001n, name: "solo" };
  const storage = new MemoryStorage();
  const founder = memberRecord({ id: identity.memberId, name: identity.name });
  const bootstrap = { type: "found", members: [founder] } as const;
  await new Promise<void>((resolve, reject) => {
    bootstrapStorage(storage, identity, bootstrap, (error) => (error === undefined ? resolve() : reject(error)));
  });
  const transport = new MemoryNetwork().transportFor(identity.memberId);
  const prng = new Prng(1);
  const member = new Member({ storage, transport, clock, prng, identity, bootstrap, tickMs: 5, bcryptCost: 4 });
  member.start();
  const services = createServices(member);
  // Waits for the leader, as every request does.
  await services.cluster.memberList({ linearizable: true }, { token: "", requireLeader: false });
  return { member, services };
}
