/** What is done between two changes of a rolling upgrade. */
import { sleep } from "../chaos/nemesis.ts";
import type { ClusterUnderTest, MemberUnderTest } from "../chaos/observers.ts";

const MOVED_WITHIN_MS = 30_000;

export type Say = (line: string) => void;

export class Steps {
  readonly say: Say;
  readonly #cluster: ClusterUnderTest;
  readonly #seconds: number;

  constructor(cluster: ClusterUnderTest, seconds: number, say: Say) {
    this.#cluster = cluster;
    this.#seconds = seconds;
    this.say = say;
  }

  async pause(what: string): Promise<void> {
    this.say(what);
    await sleep(this.#seconds * 1_000);
  }

  /** Moves the lead there and stays a while. */
  async lead(member: MemberUnderTest): Promise<void> {
    const untilMs = Date.now() + MOVED_WITHIN_MS;
    while (!(await member.leads().catch(() => false))) {
      if (Date.now() > untilMs) throw new Error(`${member.name} does not lead`);
      const leader = await this.#cluster.leader();
      const { header } = (await member.post("/v3/maintenance/status", {}).catch(() => ({ header: undefined }))) as {
        header?: { member_id: string };
      };
      if (leader !== member && header !== undefined) {
        await leader.post("/v3/maintenance/transfer-leadership", { targetID: header.member_id }).catch(() => {});
      }
      await sleep(200);
    }
    await this.pause(`${member.name} leads`);
  }
}
