/** etcd's Cluster service: the members. Loaded with the first call. */
import type { Services } from "../../member/api/services.ts";
import type { Member } from "../../protocol/api/cluster.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { Call, CallOptions } from "../common/call.ts";
import { memberIdOf } from "../common/member-id.ts";
import type { Id } from "../common/types.ts";

/** A member of the cluster, as the membership has it. */
export interface ClusterMember {
  readonly id: string;
  /** Empty until the member has started for the first time. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** It has all data and no vote. */
  readonly isLearner: boolean;
}

/** The members of the cluster. */
export interface ClusterClient {
  /** Returns the members. `serializable`: as the member that serves the call knows them, without a quorum. */
  members(options?: CallOptions & { readonly serializable?: boolean | undefined }): Promise<readonly ClusterMember[]>;
  /** Adds a member, which is started afterwards. Rejects with FailedPrecondition if its addresses are in use. */
  add(
    peerUrls: readonly string[],
    options?: CallOptions & { readonly isLearner?: boolean | undefined },
  ): Promise<ClusterMember>;
  /** Removes a member for good. Rejects with NotFound if there is none. Returns the remaining ones. */
  remove(id: Id, options?: CallOptions): Promise<readonly ClusterMember[]>;
  /** Replaces the addresses at which the other members reach a member. */
  update(id: Id, peerUrls: readonly string[], options?: CallOptions): Promise<readonly ClusterMember[]>;
  /** Gives a learner its vote. Rejects with FailedPrecondition if it has not caught up. */
  promote(id: Id, options?: CallOptions): Promise<readonly ClusterMember[]>;
}

export function clusterClient({ cluster }: Services, call: Call): ClusterClient {
  return {
    async members(options) {
      const request = { linearizable: options?.serializable !== true };
      return membersOf(await call(options, (context) => cluster.memberList(request, context)));
    },
    async add(peerUrls, options) {
      const request = { peerUrls: [...peerUrls], isLearner: options?.isLearner === true };
      const { member } = await call(options, (context) => cluster.memberAdd(request, context));
      if (member === undefined) throw new EtcdError(GrpcCode.Internal, "a new member came without its record");
      return memberOf(member);
    },
    remove: async (id, options) =>
      membersOf(await call(options, (context) => cluster.memberRemove({ id: memberIdOf(id) }, context))),
    update: async (id, peerUrls, options) =>
      membersOf(
        await call(options, (context) =>
          cluster.memberUpdate({ id: memberIdOf(id), peerUrls: [...peerUrls] }, context),
        ),
      ),
    promote: async (id, options) =>
      membersOf(await call(options, (context) => cluster.memberPromote({ id: memberIdOf(id) }, context))),
  };
}

function membersOf({ members }: { readonly members: readonly Member[] }): readonly ClusterMember[] {
  return members.map(memberOf);
}

function memberOf({ id, name, peerUrls, clientUrls, isLearner }: Member): ClusterMember {
  return { id: id.toString(), name, peerUrls, clientUrls, isLearner };
}
