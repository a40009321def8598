/** The table of the header that nearly every response carries. */
import { responseHeader } from "../header.ts";
import type { ResponseHeader } from "../header.ts";
import { always, id, int, message, uint } from "../../codec/schema.ts";
import type { Field, Schema } from "../../codec/schema.ts";

export const responseHeaderSchema: Schema<ResponseHeader> = message("etcdserverpb.ResponseHeader", responseHeader, {
  clusterId: id(1, "cluster_id", "unsigned"),
  memberId: id(2, "member_id", "unsigned"),
  revision: int(3, "revision"),
  raftTerm: uint(4, "raft_term"),
});

/** Field 1 of nearly every response. */
export const header: Field<ResponseHeader> = always(1, "header", () => responseHeaderSchema);
