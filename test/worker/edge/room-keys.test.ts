/** Who a tab is to the object of its room: by its own key, and by the invitation by which it came. */
import { expect, test } from "vitest";
import { toHex } from "../../../src/base/text-codes.ts";
import { keyOf } from "../../../src/member/membership/member-keys.ts";
import { encodeFrame } from "../../../src/protocol/peer/frame.ts";
import { hashOfKey } from "../../../src/transport/socket/socket-greeting.ts";
import { roomRegistry } from "../../../src/transport/room.ts";
import { heldInvitation } from "../../../src/transport/invitation-code.ts";
import type { HeldInvitation } from "../../../src/transport/invitation-code.ts";
import { listInvitations, makeInvitation, revokeInvitation } from "../../../src/room/member/invitations.ts";
import type { InvitationHost, InviteOptions } from "../../../src/room/member/invitations.ts";
import { forgedFrames } from "../../sim/forged-frames.ts";
import { call, manage } from "../support/clusters-kit.ts";
import { edge } from "../support/edge-kit.ts";
import { newRoom, openTab, serves, until, valueAt } from "../support/room-kit.ts";
import type { Room, Tab } from "../support/room-kit.ts";

async function opened(): Promise<{ readonly room: Room; readonly host: Tab }> {
  const room = await newRoom();
  const host = await openTab(room);
  await serves(host);
  return { room, host };
}

function hostOf({ record: { name }, secret, key }: Room, { member }: Tab): InvitationHost {
  const registry = roomRegistry("http://edge", name, { type: "key", key }, (url, init) =>
    edge(new URL(url).pathname, init),
  );
  return { room: name, secret, member, registry, nowMs: Date.now() };
}

async function invited(room: Room, host: Tab, options: InviteOptions = {}): Promise<HeldInvitation> {
  const { code } = await makeInvitation(hostOf(room, host), options);
  return heldInvitation(room.record.name, code);
}

const refusedWith = (tab: Tab, code: string): Promise<void> =>
  until(() => tab.member.joinRefusal === code, `it is refused: ${code}, not ${tab.member.joinRefusal}`);

const has = (tab: Tab, { id }: Tab["member"]): boolean => tab.member.machine.membership.has(id);

test("ED8 the log says whose key is whose; an absent tab's id is not taken with another key, by its store either", async () => {
  const { room, host } = await opened();
  const away = await openTab(room);
  await serves(away);
  const { id: memberId } = away.member;
  const keys = () => host.member.machine.membership.keys;
  await until(() => keyOf(keys(), memberId) !== undefined, "its key is in the log");
  expect(keyOf(keys(), memberId)).toEqual(away.own.fingerprint);
  expect(keyOf(keys(), host.member.id)).toEqual(host.own.fingerprint);
  const image = away.stop();
  await host.client.kv.put("while", "away");
  const thief = await openTab(room, { memberId, image });
  await refusedWith(thief, "other-key");
  expect(await valueAt(thief, "while", true)).toBe(undefined);
  thief.stop();
  const back = await openTab(room, { memberId, image, own: away.own });
  await serves(back);
  expect(await valueAt(back, "while", true)).toBe("away");
});

test("ED9 a removed tab stays out under every id; one that lost its store replaces the member that it was", async () => {
  const { room, host } = await opened();
  const [removed, lost] = [await openTab(room), await openTab(room)];
  await Promise.all([serves(removed), serves(lost)]);
  await host.client.cluster.remove(removed.member.id);
  await until(() => removed.member.problem?.code === "removed", "it is told");
  const again = await openTab(room, { own: removed.own });
  await refusedWith(again, "key-removed");
  expect(again.member.status().lastIndex).toBe(0);

  lost.stop();
  const back = await openTab(room, { own: lost.own });
  await serves(back);
  await until(() => !has(host, lost.member), "its former self is gone");
  expect([has(host, back.member), has(host, again.member)]).toEqual([true, false]);
});

test("ED10 a guest comes in by an invitation, does what it may, and ends with its removal; the registry knows it", async () => {
  const { room, host } = await opened();
  await host.client.kv.put("kept", "by its members");
  const invitation = await invited(room, host, { role: "member" });
  const guest = await openTab(room, { invitation });
  await serves(guest);
  await guest.client.kv.put("from", "a guest");
  expect(await valueAt(host, "from")).toBe("a guest");
  expect(guest.member.machine.membership.guest(guest.member.id)?.role).toBe("member");
  const path = `/peerjs/room/${room.record.name}/room`;
  const asked = (key: string): Promise<Response> => edge(path, { headers: { authorization: `Bearer ${key}` } });
  expect([(await asked(invitation.registry)).status, (await asked("x".repeat(43))).status]).toEqual([200, 403]);
  // It invites nobody, and it is nobody to the cluster's other clients.
  await expect(makeInvitation({ ...hostOf(room, guest), secret: undefined }, {})).rejects.toThrow(/invites nobody/);
  const range = await call(`/c/${room.record.name}`, "/v3/kv/range", { key: btoa("kept") }, invitation.registry);
  expect(range.status).toBe(401);

  // Back after the last use, by what it stored.
  const { id: memberId } = guest.member;
  const image = guest.stop();
  const back = await openTab(room, { memberId, image, invitation, own: guest.own });
  await serves(back);
  const second = await openTab(room, { invitation });
  await refusedWith(second, "invitation-used");
  expect(second.member.status().lastIndex).toBe(0);

  await host.client.cluster.remove(memberId);
  await until(() => back.member.problem?.code === "removed", "it is told");
  const anew = await openTab(room, { invitation, own: guest.own });
  await refusedWith(anew, "key-removed");
});

test("ED11 a reader is never promoted, and the object drops what it proposes, whatever its client is made of", async () => {
  const { room, host } = await opened();
  await host.client.kv.put("kept", "by its members");
  const invitation = await invited(room, host);
  const reader = await openTab(room, { invitation });
  await serves(reader);
  expect(await valueAt(reader, "kept")).toBe("by its members");
  await expect(reader.client.kv.put("kept", "changed")).rejects.toThrow(/invited to read only/);
  await expect(host.client.cluster.promote(reader.member.id)).rejects.toThrow(/invited to read only/);

  // A client of its own making, with all that the reader has.
  const { id: from } = reader.member;
  const { term, lastIndex, confState } = host.member.status();
  const { id: to, clusterId } = { id: host.member.leader, clusterId: host.member.clusterId };
  const lastTerm = host.member.logTerm(lastIndex) ?? 0;
  const forged = forgedFrames(from, { id: to, clusterId, term, lastIndex, lastTerm, confState });
  const changing = forged.filter(({ name }) => /propose|cluster\/change|lease\/renew|transfer-leader|^join/.test(name));
  expect(changing.length).toBeGreaterThan(5);
  for (const { body } of changing) reader.send(to, encodeFrame({ clusterId, from, to }, body));
  await host.client.kv.put("after", "it");
  expect(await valueAt(host, "forged")).toBe(undefined);
  expect(host.member.status().confState).toEqual(confState);
  await until(async () => (await valueAt(reader, "after", true)) === "it", "the reader goes on reading");
});

test("ED12 an invitation that is over lets nobody in, and says why: expired, revoked, of another room, of nobody", async () => {
  const { room, host } = await opened();
  const soon = await invited(room, host, { expires: new Date(Date.now() + 300), uses: 3 });
  const ended = await invited(room, host, { uses: 3 });
  const [, { id }] = listInvitations(host.member, Date.now()).toReversed() as [unknown, { id: string }];
  const inside = await openTab(room, { invitation: ended });
  await serves(inside);
  await revokeInvitation(hostOf(room, host), id);
  await new Promise((resolve) => setTimeout(resolve, 400));
  const [late, gone] = [await openTab(room, { invitation: soon }), await openTab(room, { invitation: ended })];
  await refusedWith(late, "invitation-expired");
  await refusedWith(gone, "invitation-revoked");
  const other = await opened();
  const stranger = await openTab(room, { invitation: await invited(other.room, other.host) });
  await until(() => stranger.states.join().includes("an invitation that is not known here"), "it is nobody's");
  for (const tab of [late, gone, stranger]) expect(tab.member.status().lastIndex).toBe(0);
  // Whoever came in by it stays.
  await host.client.kv.put("still", "here");
  await until(async () => (await valueAt(inside, "still", true)) === "here", "the guest goes on");
});

test("ED14 the object tells the registry who is invited and who is no more, though no tab does; a deleted room takes its guests along", async () => {
  const { room, host } = await opened();
  const { name } = room.record;
  const silent = hostOf(room, host);
  const setGuests = (): Promise<void> => Promise.reject(new Error("this tab cannot reach the registry"));
  const registry = { ...silent.registry, setGuests };
  const expires = new Date(Date.now() + 2_000);
  const { code } = await makeInvitation({ ...silent, registry }, { expires });
  const invitation = await heldInvitation(name, code);
  const asked = async (): Promise<number> => {
    const headers = { authorization: `Bearer ${invitation.registry}` };
    return (await edge(`/peerjs/room/${name}/room`, { headers })).status;
  };
  await until(async () => (await asked()) === 200, "the registry knows the invitation");
  const guest = await openTab(room, { invitation });
  await serves(guest);
  host.stop();
  // It came in in time, and comes back at any time.
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  expect(await asked()).toBe(200);
  await call(`/c/${name}`, "/v3/cluster/member/remove", { ID: String(guest.member.id) }, room.key);
  await until(async () => (await asked()) === 403, "the registry knows the removal");

  const again = await openTab(room);
  await serves(again);
  const second = await invited(room, again, { uses: 9 });
  await until(async () => (await hostOf(room, again).registry.info()).guests !== undefined, "it is told");
  await manage("delete", { name });
  const { status } = await manage("create", { name, room: toHex(hashOfKey(room.key)) });
  expect(status).toBe(200);
  const headers = { authorization: `Bearer ${second.registry}` };
  expect((await edge(`/peerjs/room/${name}/room`, { headers })).status).toBe(403);
});
