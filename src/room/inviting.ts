/** Invitations as a room's page makes, lists and ends them. Most rooms make none, so their code is loaded by need. */
import { loadedOnce } from "../member/api/loaded-once.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import type { InvitationHost, InviteOptions, NewRoomInvitation, RoomInvitation } from "./member/invitations.ts";

const parts = /* @__PURE__ */ loadedOnce(() => import("./member/invitations.ts"));

/** The link is this page's address with the invitation in its fragment. */
export async function invite(host: InvitationHost, options: InviteOptions): Promise<NewRoomInvitation> {
  const { listInvitations, makeInvitation } = await parts();
  const { id, code } = await makeInvitation(host, options);
  const made = listInvitations(host.member, host.nowMs).find((one) => one.id === id);
  if (made === undefined) throw new EtcdError(GrpcCode.Aborted, "the invitation has ended already");
  const link = new URL(location.href);
  link.hash = `i=${code}`;
  return { ...made, link: link.href };
}

export async function invitations({ member, nowMs }: InvitationHost): Promise<readonly RoomInvitation[]> {
  return (await parts()).listInvitations(member, nowMs);
}

export async function revoke(host: InvitationHost, id: string): Promise<void> {
  await (await parts()).revokeInvitation(host, id);
}
