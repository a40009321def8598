/**
 * Where clients find the members. The edge's members tell their HTTP addresses, at which nobody speaks gRPC; a client that
 * takes its endpoints from the member list (clientv3's Sync, `etcdctl --cluster`) must be led to a front instead.
 */
import type { ClusterService } from "../member/api/services.ts";
import type { Member } from "../protocol/api/cluster.ts";

/** Each member's client URL as `urlOf` says; a member that has not started has none, as ever. */
export function advertised(cluster: ClusterService, urlOf: (name: string) => string): ClusterService {
  function told<Response extends { readonly members: readonly Member[] }>(response: Response): Response {
    return { ...response, members: response.members.map(withUrl) };
  }

  function withUrl(member: Member): Member {
    return member.name === "" ? member : { ...member, clientUrls: [urlOf(member.name)] };
  }

  return {
    memberList: async (request, context) => told(await cluster.memberList(request, context)),
    memberAdd: async (request, context) => told(await cluster.memberAdd(request, context)),
    memberRemove: async (request, context) => told(await cluster.memberRemove(request, context)),
    memberUpdate: async (request, context) => told(await cluster.memberUpdate(request, context)),
    memberPromote: async (request, context) => told(await cluster.memberPromote(request, context)),
  };
}
