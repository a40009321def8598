/** What a member's object tells the worker beside its responses (internal-headers.ts): who leads, and who belongs. */
import type { Member } from "../../src/member/node/member.ts";
import type { Member as MemberRecord } from "../../src/protocol/api/cluster.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { LEADER_HEADER, MEMBERS_HEADER } from "../common/internal-headers.ts";
import { membersHeader } from "../common/live-members.ts";
import { refusal, REMOVED } from "../common/refusal.ts";
import type { CallFailure, WithHints } from "../common/service-rpc.ts";
import type { MemberState } from "./member-state.ts";

export interface MemberHintsHost {
  readonly number: number;
  /** Number of members with which the cluster began. */
  readonly size: number;
  readonly numberOf: (id: bigint) => number | undefined;
}

export class MemberHints {
  readonly #host: MemberHintsHost;
  /** The header that names the members. Undefined as long as the membership never changed. */
  members: string | undefined;

  constructor(host: MemberHintsHost) {
    this.#host = host;
  }

  setMembers(members: readonly MemberRecord[], everCount: number): void {
    this.members = membersHeader(members, everCount, this.#host.size, this.#host.numberOf);
  }

  /** For each response. */
  of({ leader }: Member): Record<string, string> {
    const headers: Record<string, string> = {};
    const number = leader === 0n ? undefined : this.#host.numberOf(leader);
    if (number !== undefined) headers[LEADER_HEADER] = String(number);
    if (this.members !== undefined) headers[MEMBERS_HEADER] = this.members;
    return headers;
  }

  /** The response of a member that was removed. */
  leaving(): Response {
    const response = refusal(this.#host.number, REMOVED);
    if (this.members !== undefined) response.headers.set(MEMBERS_HEADER, this.members);
    return response;
  }

  /** The result of a call that the member does not serve. */
  async unserved(state: MemberState): Promise<WithHints<CallFailure>> {
    const response = state.type === "down" ? refusal(this.#host.number, state) : this.leaving();
    const { message }: { readonly message: string } = await response.json();
    const result: CallFailure = { type: "error", code: GrpcCode.Unavailable, message };
    return { result, hints: Object.fromEntries(response.headers) };
  }
}
