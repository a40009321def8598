/** Authentication without the cost of real passwords, and a cluster that requires it. */
import { utf8Encode } from "../../../src/base/utf8.ts";
import type { PasswordHasher } from "../../../src/member/auth/credentials.ts";
import { createServices } from "../../../src/member/services/member-services.ts";
import type { CallContext, Services } from "../../../src/member/api/services.ts";
import { authRoleGrantPermissionRequest, authUserAddRequest, permission } from "../../../src/protocol/api/auth.ts";
import type { PermissionType } from "../../../src/protocol/api/auth.ts";
import { CALL, Cluster } from "./cluster.ts";
import type { Node, NodeOptions } from "./cluster.ts";

/** Readable, and in the same turn. */
export const PLAIN: PasswordHasher = {
  hash: async (password) => `plain:${password}`,
  verify: async (password, hashed) => hashed === `plain:${password}`,
  decoy: "nobody's",
};

export class GuardedCluster {
  readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** Auth is on; root's password is "root", amy's "amy", and amy has the role r without any permission. */
  static async open(count = 1, options: NodeOptions = {}): Promise<GuardedCluster> {
    const guarded = new GuardedCluster(await Cluster.founded(count, options));
    await guarded.cluster.elected();
    const { auth } = guarded.at();
    await guarded.settled(auth.userAdd(authUserAddRequest({ name: "root", password: "root" }), CALL));
    await guarded.settled(auth.userGrantRole({ user: "root", role: "root" }, CALL));
    await guarded.settled(auth.userAdd(authUserAddRequest({ name: "amy", password: "amy" }), CALL));
    await guarded.settled(auth.roleAdd({ name: "r" }, CALL));
    await guarded.settled(auth.userGrantRole({ user: "amy", role: "r" }, CALL));
    await guarded.settled(auth.authEnable({}, CALL));
    return guarded;
  }

  settled<T>(promise: Promise<T>): Promise<T> {
    return this.cluster.settled(promise);
  }

  /** The services of the leader, or of that member. */
  at(id?: bigint): Services {
    const node: Node = id === undefined ? (this.cluster.leader as Node) : this.cluster.node(id);
    return createServices(node.member, { passwords: PLAIN });
  }

  async as(name: string, id?: bigint): Promise<CallContext> {
    const { token } = await this.settled(this.at(id).auth.authenticate({ name, password: name }, CALL));
    return { ...CALL, token };
  }

  async grant(permType: PermissionType, key: string, rangeEnd = ""): Promise<void> {
    const perm = permission({ permType, key: utf8Encode(key), rangeEnd: utf8Encode(rangeEnd) });
    const request = authRoleGrantPermissionRequest({ name: "r", perm });
    await this.settled(this.at().auth.roleGrantPermission(request, await this.as("root")));
  }

  /** The error text of the call; "ok" if it does not fail. */
  async answer(call: Promise<unknown>): Promise<string> {
    return this.settled(
      call.then(
        () => "ok",
        (error: unknown) => (error as Error).message,
      ),
    );
  }
}
