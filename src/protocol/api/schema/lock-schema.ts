/** Field tables of the messages in lock.ts, with the numbers and names of etcd's .proto files. */
import { lockRequest, lockResponse, unlockRequest, unlockResponse } from "../lock.ts";
import type { LockRequest, LockResponse, UnlockRequest, UnlockResponse } from "../lock.ts";
import { header } from "./header-schema.ts";
import { bytes, id, message } from "../../codec/schema.ts";
import type { Schema } from "../../codec/schema.ts";

export const lockRequestSchema: Schema<LockRequest> = message("v3lockpb.LockRequest", lockRequest, {
  name: bytes(1, "name"),
  lease: id(2, "lease", "signed"),
});

export const lockResponseSchema: Schema<LockResponse> = message("v3lockpb.LockResponse", lockResponse, {
  header,
  key: bytes(2, "key"),
});

export const unlockRequestSchema: Schema<UnlockRequest> = message("v3lockpb.UnlockRequest", unlockRequest, {
  key: bytes(1, "key"),
});

export const unlockResponseSchema: Schema<UnlockResponse> = message("v3lockpb.UnlockResponse", unlockResponse, {
  header,
});
