/**
 * Clients of single members, for commands that address every member. Our members are at `/m/1`, `/m/2`, … of one
 * endpoint; those of an etcd at the client URLs in its member list.
 */
import type { CallContext, Services } from "../../member/api/services.ts";
import { endpointOf } from "./command.ts";
import type { Input } from "./command.ts";
import { connectServices } from "./connect.ts";
import type { Terminal } from "../output/terminal.ts";

export interface MemberEndpoint {
  readonly id: bigint;
  readonly name: string;
  readonly endpoint: string;
  readonly services: Services;
}

export const CALL: CallContext = { token: "", requireLeader: false };

/** A list with more members is not a valid response. */
const MAX_MEMBERS = 64;

/** Returns the endpoint's member, and with `--members` all members that respond. The others are reported on stderr. */
export async function chosenMembers(input: Input, terminal: Terminal): Promise<readonly MemberEndpoint[]> {
  const endpoint = endpointOf(input, terminal.env);
  const services = connectServices(input, terminal, endpoint);
  const { members } = await services.cluster.memberList({ linearizable: false }, CALL);
  const names = new Map(members.slice(0, MAX_MEMBERS).map(({ id, name }) => [id, name]));
  const found = new Map<bigint, MemberEndpoint>();
  const look = async (at: string, there: Services): Promise<void> => {
    const { header } = await there.maintenance.status({}, CALL);
    const id = header.memberId;
    if (found.has(id) || !names.has(id)) return;
    found.set(id, { id, name: names.get(id) ?? "", endpoint: at, services: there });
  };
  await look(endpoint, services);
  if (!input.flag("members") || names.size < 2) return [...found.values()];
  const base = endpoint.replace(/\/+$/, "").replace(/\/m\/\d+$/, "");
  const listed = members.slice(0, MAX_MEMBERS).flatMap(({ clientUrls }) => clientUrls.slice(0, 1));
  const others = [...[...names].map((_, at) => `${base}/m/${at + 1}`), ...listed.filter((url) => URL.canParse(url))];
  for (const other of others) {
    // Each candidate is asked for its id, because most members are not at the guessed addresses.
    if (found.size < names.size) await look(other, connectServices(input, terminal, other)).catch(() => undefined);
  }
  for (const [id, name] of names) {
    if (!found.has(id)) terminal.writeError(`quorate: member ${id} (${name}) does not answer\n`);
  }
  return [...found.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
}
