/**
 * Maps a network address to the network that counts as one caller. A host with IPv6 has at least 2^64 addresses, so an
 * IPv6 address counts by its /64 network. An IPv4 address counts by itself, in whichever form it is written.
 */

const NETWORK_GROUPS = 4;
const GROUPS = 8;
/** A longer text is not an address. */
const TEXT_MAX = 64;

/** Accepts an address with or without brackets and a port. Any other text is returned unchanged. */
export function networkOf(text: string): string {
  const address = withoutPort(text.slice(0, TEXT_MAX));
  const mapped = /^(?:0{0,4}:){0,5}:?ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address);
  if (mapped !== null) return mapped[1] as string;
  const groups = groupsOf(address);
  return groups === undefined ? address : `${groups.slice(0, NETWORK_GROUPS).join(":")}::/64`;
}

function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(text);
  if (bracketed !== null) return withoutZone(bracketed[1] as string);
  return /^[^:]*:\d+$/.test(text) ? text.slice(0, text.indexOf(":")) : withoutZone(text);
}

function withoutZone(text: string): string {
  const zone = text.indexOf("%");
  return zone === -1 ? text : text.slice(0, zone);
}

/** Returns undefined for anything but an IPv6 address. */
function groupsOf(text: string): readonly string[] | undefined {
  if (!text.includes(":") || !/^[\da-f:.]+$/i.test(text)) return undefined;
  const [before = "", after, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const head = before === "" ? [] : before.split(":");
  const tail = after === undefined || after === "" ? [] : after.split(":");
  const missing = GROUPS - head.length - tail.length;
  if (missing < 0 || (after === undefined && missing > 0)) return undefined;
  const all = [...head, ...Array.from({ length: missing }, () => "0"), ...tail];
  return all.map((group) => group.replace(/^0+(?=.)/, "").toLowerCase());
}
