/** The gRPC front on a free port of this machine, with a client of it: over given services, or over a member in memory. */
import { startGrpcProxy } from "../../../src/grpc/proxy.ts";
import type { GrpcProxyOptions } from "../../../src/grpc/proxy.ts";
import type { Services } from "../../../src/member/api/services.ts";
import type { Member } from "../../../src/member/node/member.ts";
import { startMember } from "../../client/support/own-member.ts";
import { RawClient } from "./raw-client.ts";

export interface ServedGrpc {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  readonly client: RawClient;
  close(): Promise<void>;
}

/** A front and the only member behind it. `close` ends both. */
export interface GrpcMember extends ServedGrpc {
  readonly member: Member;
  readonly services: Services;
}

export async function serveGrpc(
  services: GrpcProxyOptions["services"],
  options: Omit<GrpcProxyOptions, "services" | "listen"> = {},
): Promise<ServedGrpc> {
  const proxy = await startGrpcProxy({ ...options, services, listen: "127.0.0.1:0" });
  const address = `127.0.0.1:${proxy.port}`;
  const client = new RawClient(address);
  return {
    address,
    client,
    async close() {
      client.close();
      await proxy.close();
    },
  };
}

export async function startGrpcMember(): Promise<GrpcMember> {
  const { member, services } = await startMember();
  const served = await serveGrpc(services);
  return {
    ...served,
    member,
    services,
    async close() {
      await served.close();
      member.stop();
    },
  };
}
