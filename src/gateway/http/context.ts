/** The metadata of a call, read from its HTTP headers as etcd's gateway does. */
import type { CallContext } from "../../member/api/services.ts";
import { callerAddress } from "./caller-address.ts";

const ANONYMOUS: CallContext = { token: "", requireLeader: false };
const EMPTY_TOKEN = " ";
const ANONYMOUS_WITH_LEADER: CallContext = { token: "", requireLeader: true };

export function callContext(request: Request): CallContext {
  const { headers } = request;
  const token = tokenOf(headers);
  const requireLeader = headers.get("grpc-metadata-hasleader") === "true";
  const address = callerAddress(request);
  if (address !== undefined) return { token, requireLeader, address };
  if (token === "") return requireLeader ? ANONYMOUS_WITH_LEADER : ANONYMOUS;
  return { token, requireLeader };
}

/** gRPC's `token` precedes `authorization`. An empty header is a token too, and never a valid one. */
function tokenOf(headers: Headers): string {
  const authorization = headers.get("grpc-metadata-token") ?? headers.get("authorization");
  return authorization === null ? "" : withoutBearer(authorization) || EMPTY_TOKEN;
}

/** A browser cannot set headers on a WebSocket, so its token is sent as a subprotocol: `Bearer, <token>`. */
export function webSocketContext(request: Request): CallContext {
  const context = callContext(request);
  const offered = request.headers.get("sec-websocket-protocol");
  if (offered === null || !offersBearer(offered)) return context;
  const comma = offered.indexOf(",");
  return { ...context, token: comma === -1 ? "" : offered.slice(comma + 1).trim() };
}

/** A browser closes a connection if none of its subprotocols was chosen. */
export function chosenSubprotocol(headers: Headers): string | undefined {
  const offered = headers.get("sec-websocket-protocol");
  return offered !== null && offersBearer(offered) ? "Bearer" : undefined;
}

function offersBearer(offered: string): boolean {
  return (offered.split(",")[0] ?? "").trim() === "Bearer";
}

function withoutBearer(authorization: string): string {
  return authorization.startsWith("Bearer ") ? authorization.slice("Bearer ".length) : authorization;
}
