/**
 * Client URLs of the members. The edge's members report their HTTP addresses, which do not serve gRPC. A client that
 * takes its endpoints from the member list (clientv3's Sync, `etcdctl --cluster`) needs the address of a proxy instead.
 */
import type { ClusterService } from "../member/api/services.ts";
import type { Member } from "../protocol/api/cluster.ts";

/** Replaces each member's client URL by `urlOf(name)`. A member that has not started has none, as before. */
export function advertised(cluster: ClusterService, urlOf: (name: string) => string): ClusterService {
  function withClientUrls<Response extends { readonly members: readonly Member[] }>(response: Response): Response {
    return { ...response, members: response.members.map(withUrl) };
  }

  function withUrl(member: Member): Member {
    return member.name === "" ? member : { ...member, clientUrls: [urlOf(member.name)] };
  }

  return {
    memberList: async (request, context) => withClientUrls(await cluster.memberList(request, context)),
    memberAdd: async (request, context) => withClientUrls(await cluster.memberAdd(request, context)),
    memberRemove: async (request, context) => withClientUrls(await cluster.memberRemove(request, context)),
    memberUpdate: async (request, context) => withClientUrls(await cluster.memberUpdate(request, context)),
    memberPromote: async (request, context) => withClientUrls(await cluster.memberPromote(request, context)),
  };
}
