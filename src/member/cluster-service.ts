/** etcd's Cluster over one member: who belongs to it, and how that changes. */
import type { Access } from "./access.ts";
import type { Member } from "./member.ts";
import { checkLeader, readIndex } from "./requests.ts";
import type { ClusterService } from "./services.ts";
import { unserved } from "./unserved.ts";

const SERVICE = "etcdserverpb.Cluster";

/** Called by the guard with a caller that may; only MemberAdd, which looks at its URLs first, asks `access` itself. */
export function clusterService(member: Member, access: Access): ClusterService {
  return {
    async memberAdd(_request, context) {
      await access.admin(context);
      throw unserved(SERVICE, "MemberAdd");
    },
    memberRemove: async () => Promise.reject(unserved(SERVICE, "MemberRemove")),
    memberUpdate: async () => Promise.reject(unserved(SERVICE, "MemberUpdate")),
    async memberList(request, context) {
      checkLeader(member, context);
      if (request.linearizable) await readIndex(member);
      return { header: member.header(0), members: member.machine.membership.members };
    },
    memberPromote: async () => Promise.reject(unserved(SERVICE, "MemberPromote")),
  };
}
