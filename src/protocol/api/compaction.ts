/** Messages of the compaction of the history. */
import { responseHeader } from "./header.ts";
import type { ResponseHeader } from "./header.ts";

export interface CompactionRequest {
  readonly revision: number;
  readonly physical: boolean;
}

export function compactionRequest(set?: Partial<CompactionRequest>): CompactionRequest {
  return { revision: 0, physical: false, ...set };
}

export interface CompactionResponse {
  readonly header: ResponseHeader;
}

export function compactionResponse(set?: Partial<CompactionResponse>): CompactionResponse {
  return { header: responseHeader(), ...set };
}
