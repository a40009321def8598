/** etcd's Cluster service through the gRPC front, as a client without any library sees it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { memberAddRequest, memberListRequest, memberUpdateRequest } from "../../src/protocol/api/cluster.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { failure } from "./support/raw-client.ts";
import type { RawClient } from "./support/raw-client.ts";
import { startGrpcMember } from "./support/served-grpc.ts";
import type { GrpcMember } from "./support/served-grpc.ts";

const { cluster } = RPCS;
const SOLO = 0xffff_0000_0000_0001n;
let proxy: GrpcMember;
let client: RawClient;

beforeAll(async () => {
  proxy = await startGrpcMember();
  client = proxy.client;
});

afterAll(() => proxy.close());

test("members are added, listed, updated and removed", async () => {
  const peerUrls = ["http://two:2380"];
  const added = await client.call(cluster.memberAdd, memberAddRequest({ peerUrls, isLearner: true }));
  const id = added.member?.id ?? 0n;
  expect(added).toMatchObject({ header: { memberId: SOLO, revision: 0 }, member: { peerUrls, isLearner: true } });
  const { members } = await client.call(cluster.memberUpdate, memberUpdateRequest({ id, peerUrls: ["http://2:1"] }));
  expect(members.find((one) => one.id === id)?.peerUrls).toEqual(["http://2:1"]);
  expect((await client.call(cluster.memberList, memberListRequest({ linearizable: true }))).members).toEqual(members);
  const promoted = await failure(client.call(cluster.memberPromote, { id }));
  expect([promoted.code, promoted.details]).toEqual([
    GrpcCode.FailedPrecondition,
    "etcdserver: can only promote a learner member which is in sync with leader",
  ]);
  expect((await client.call(cluster.memberRemove, { id })).members.map((one) => one.id)).toEqual([SOLO]);
});

test("what is refused has etcd's code and text", async () => {
  const refusals = [
    [client.call(cluster.memberAdd, memberAddRequest()), GrpcCode.InvalidArgument, "given member URLs are invalid"],
    [client.call(cluster.memberRemove, { id: 5n }), GrpcCode.NotFound, "member not found"],
    [
      client.call(cluster.memberPromote, { id: SOLO }),
      GrpcCode.FailedPrecondition,
      "can only promote a learner member",
    ],
    [
      client.call(cluster.memberRemove, { id: SOLO }),
      GrpcCode.Unknown,
      "re-configuration failed due to not enough started members",
    ],
  ] as const;
  for (const [call, code, text] of refusals) {
    const refusal = await failure(call);
    expect([refusal.code, refusal.details]).toEqual([code, `etcdserver: ${text}`]);
  }
});
