/** What the service of a unary call is told when its caller is gone, or has its response. */
import { expect, test } from "vitest";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { rangeRequest, rangeResponse } from "../../src/protocol/api/kv.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { startMember } from "../client/support/own-member.ts";
import { failure } from "./support/raw-client.ts";
import { serveGrpc } from "./support/served-grpc.ts";

test("the signal of a call is aborted when its deadline has passed, and never after its response", async () => {
  const { member, services } = await startMember();
  const signals: AbortSignal[] = [];
  let isSlow = false;
  const range: typeof services.kv.range = async (_, { signal }) => {
    if (signal === undefined) throw new Error("a call of gRPC has a signal");
    signals.push(signal);
    if (isSlow) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    return rangeResponse({});
  };
  const served = await serveGrpc({ ...services, kv: { ...services.kv, range } });
  try {
    for (let call = 0; call < 20; call++) await served.client.call(RPCS.kv.range, rangeRequest({}));
    isSlow = true;
    const call = served.client.call(RPCS.kv.range, rangeRequest({}), { deadline: Date.now() + 200 });
    expect(await failure(call)).toMatchObject({ code: GrpcCode.DeadlineExceeded });
    const last = signals.at(-1);
    await expect.poll(() => last?.aborted).toBe(true);
    // The streams of the calls before it have closed by now.
    expect(signals.filter((signal) => signal.aborted)).toEqual([last]);
  } finally {
    await served.close();
    member.stop();
  }
});
