/** TLS at the gRPC front. */
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TlsFiles } from "../../src/grpc/proxy.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { putRequest } from "../../src/protocol/api/kv.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { startMember } from "../client/support/own-member.ts";
import { hasOpenssl, makeCertificates } from "./support/certificates.ts";
import { failure, RawClient } from "./support/raw-client.ts";
import { serveGrpc } from "./support/served-grpc.ts";

const PUT = putRequest({ key: Uint8Array.of(1) });

describe.skipIf(!hasOpenssl)("TLS (skipped where there is no openssl 3 to make certificates with)", () => {
  let member: Awaited<ReturnType<typeof startMember>>;
  let made: ReturnType<typeof makeCertificates>;
  beforeAll(async () => {
    made = makeCertificates();
    member = await startMember();
  });
  afterAll(() => member.member.stop());

  async function put(tls: TlsFiles, using: Parameters<typeof credentials.createSsl>): Promise<number> {
    const proxy = await serveGrpc(member.services, { tls });
    const client = new RawClient(proxy.address, credentials.createSsl(...using));
    try {
      return await client.call(RPCS.kv.put, PUT).then(
        () => GrpcCode.OK,
        async (error: unknown) => (await failure(Promise.reject(error as Error))).code,
      );
    } finally {
      client.close();
      await proxy.close();
    }
  }

  test("a client that knows the CA is served, and one that does not turns away", async () => {
    expect(await put(made.server, [made.ca.cert])).toBe(GrpcCode.OK);
    expect(await put(made.server, [])).toBe(GrpcCode.Unavailable);
  });

  test("with a CA for clients, only those with its certificate are served", async () => {
    const tls = { ...made.server, clientCa: made.ca.cert };
    const { key, cert } = made.client;
    expect(await put(tls, [made.ca.cert, key, cert])).toBe(GrpcCode.OK);
    expect(await put(tls, [made.ca.cert])).toBe(GrpcCode.Unavailable);
  });
});
