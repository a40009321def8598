/** Ids of members on the command line: hexadecimal, as etcdctl reads and prints them. */

export function memberIdText(id: bigint): string {
  return id.toString(16);
}

/** Returns undefined if the text is not an id. */
export function parseMemberId(text: string): bigint | undefined {
  return /^(?:0x)?[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text.replace(/^0x/i, "")}`) : undefined;
}
