/** Calls of a member to the peer listeners of the others. */
import type { Member as MemberRecord } from "../../src/protocol/api/cluster.ts";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { peerUrlOf } from "./initial-cluster.ts";
import { MEMBERS_PATH, type PeerList, RAFT_PATH } from "./peer-rpc.ts";
import type { ProcessEnv } from "./process-env.ts";

/** A stopped process accepts connections and answers nothing. The transport gives up sooner and keeps the connection. */
const CALL_ENDS_MS = 15_000;
const LIST_ENDS_MS = 3_000;

export class PeerClient {
  readonly #env: ProcessEnv;
  readonly #members: () => readonly MemberRecord[];
  /** Which of a member's URLs is used: the next one after a failure. */
  readonly #failures: Map<MemberId, number> = new Map();

  constructor(env: ProcessEnv, members: () => readonly MemberRecord[]) {
    this.#env = env;
    this.#members = members;
  }

  async post(to: MemberId, body: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const urls = this.#members().find(({ id }) => id === to)?.peerUrls ?? [];
    if (urls.length === 0) throw new Error("the member has no peer URL");
    const failures = this.#failures.get(to) ?? 0;
    const url = peerUrlOf(urls[failures % urls.length] ?? "");
    try {
      const response = await call(this.#env, `${url}${RAFT_PATH}`, { method: "POST", body }, CALL_ENDS_MS);
      return new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      this.#failures.set(to, failures + 1);
      throw error;
    }
  }
}

/** Asks the members in turn for their list. Rejects with an Error for the operator if none answers. */
export async function listOfPeers(env: ProcessEnv, urls: readonly string[]): Promise<PeerList> {
  let last = "there is none";
  for (const url of urls) {
    try {
      const response = await call(env, `${url}${MEMBERS_PATH}`, {}, LIST_ENDS_MS);
      return await response.json<PeerList>();
    } catch (error) {
      last = `${url}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  throw new Error(`no member of the existing cluster answers (${last})`);
}

async function call(
  { PEERS, PEER_TOKEN }: ProcessEnv,
  url: string,
  init: RequestInit,
  endsMs: number,
): Promise<Response> {
  const headers = PEER_TOKEN === undefined ? {} : { authorization: `Bearer ${PEER_TOKEN}` };
  const signal = AbortSignal.timeout(endsMs);
  const response = await PEERS.fetch(url, { ...init, headers, signal, redirect: "manual" });
  if (response.status === 200) return response;
  throw new Error(`${response.status} ${(await response.text()).slice(0, 200)}`);
}
