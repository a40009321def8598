/** The header of nearly every response: the member that responded, and the revision of its store. */

export interface ResponseHeader {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly revision: number;
  readonly raftTerm: number;
}

export function responseHeader(set?: Partial<ResponseHeader>): ResponseHeader {
  return { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0, ...set };
}
