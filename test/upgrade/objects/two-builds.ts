/**
 * A deployment in the middle of an upgrade: its objects run one of two builds each, and its worker's instances, too. As
 * when Cloudflare rolls out a new version, an object is restarted, and goes on with the other code over the same storage.
 *
 *     POST /deploy?member=2&build=new     restarts the object of a member
 */
import { DurableObject } from "cloudflare:workers";
import oldWorker, { EdgeMember as OldMember } from "old-build.js";
import newWorker, { EdgeMember as NewMember } from "new-build.js";
import type { EdgeMember as Member } from "../../../worker/member/member-object.ts";
import type { Env } from "../../../worker/common/env.ts";
import { objectNameOf } from "../../../worker/common/identity.ts";

export { ClusterRegistry, RoomSignalling } from "new-build.js";

type MemberClass = new (ctx: DurableObjectState, env: Env) => Member;

const BUILDS: Readonly<Record<string, unknown>> = { old: OldMember, new: NewMember };
/** Of the objects that were restarted, by id. */
const deployed = new Map<string, string>();

/** The member of a build, which can be told to restart, and tells its build. */
function restartable(name: string): MemberClass {
  return class extends (BUILDS[name] as MemberClass) {
    async restart(): Promise<void> {
      this.ctx.abort("another build is deployed");
    }

    async build(): Promise<string> {
      return name;
    }
  };
}

const CLASSES = new Map(Object.keys(BUILDS).map((name) => [name, restartable(name)]));

export class EdgeMember extends DurableObject<Env> {
  /** The object is the member itself, of the build that is deployed to it when it starts. */
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const Deployed = CLASSES.get(deployed.get(ctx.id.toString()) ?? "old") as MemberClass;
    return new Deployed(ctx, env);
  }
}

/** Instances of a worker are replaced one by one, too: requests go through both in turn. */
let requests = 0;

const worker: ExportedHandler<Env> = {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/deploy") return deploy(env, Number(searchParams.get("member")), searchParams.get("build") ?? "");
    const { fetch } = (requests++ % 2 === 0 ? oldWorker : newWorker) as Required<Pick<ExportedHandler<Env>, "fetch">>;
    return fetch(request, env, ctx);
  },
};

/** Answers with the build that the object runs then. */
async function deploy(env: Env, number: number, build: string): Promise<Response> {
  const id = env.MEMBERS.idFromName(objectNameOf(env.CLUSTER_NAME, number));
  deployed.set(id.toString(), build);
  const stub = (): Restartable => env.MEMBERS.get(id) as unknown as Restartable;
  // The call ends with the object.
  await stub()
    .restart()
    .catch(() => {});
  return new Response(await stub().build());
}

interface Restartable {
  restart(): Promise<void>;
  build(): Promise<string>;
}

export default worker;
