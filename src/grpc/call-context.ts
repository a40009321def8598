/** etcd's metadata of a call. */
import { isUtf8 } from "node:buffer";
import type { Metadata } from "@grpc/grpc-js";
import type { CallContext } from "../member/api/services.ts";
import { errInvalidClientAPIVersion } from "../protocol/errors.ts";

const BEARER = "Bearer ";

/** Throws what etcd rejects before it reads the request. */
export function callContext(metadata: Metadata, signal?: AbortSignal): CallContext {
  // HTTP/2 delivers bytes as Latin-1.
  const version = first(metadata, "client-api-version");
  if (!isUtf8(Buffer.from(version, "latin1"))) throw errInvalidClientAPIVersion;
  return { token: tokenOf(metadata), requireLeader: first(metadata, "hasleader") === "true", signal };
}

/** `token` precedes `authorization`. */
function tokenOf(metadata: Metadata): string {
  if (metadata.get("token").length > 0) return first(metadata, "token");
  const authorization = first(metadata, "authorization");
  return authorization.startsWith(BEARER) ? authorization.slice(BEARER.length) : authorization;
}

function first(metadata: Metadata, key: string): string {
  const [value] = metadata.get(key);
  return typeof value === "string" ? value : "";
}
