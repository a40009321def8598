import { expect, test } from "vitest";
import { advertised } from "../../src/grpc/advertised.ts";
import type { ClusterService } from "../../src/member/api/services.ts";
import { member, memberAddRequest, memberListRequest, memberUpdateRequest } from "../../src/protocol/api/cluster.ts";
import { CALL } from "../member/support/cluster.ts";

const MEMBERS = [
  member({ id: 1n, name: "edge-1", clientUrls: ["http://localhost:8787/m/1"] }),
  member({ id: 2n, peerUrls: ["http://two:2380"] }),
];

test("every response that lists members has the proxies' addresses; a member that has not started has none", async () => {
  const answer = async (): Promise<object> => ({ members: MEMBERS });
  const behind = {
    memberList: answer,
    memberAdd: answer,
    memberRemove: answer,
    memberUpdate: answer,
    memberPromote: answer,
  } as unknown as ClusterService;
  const cluster = advertised(behind, (name) => `http://${name}`);
  const answers = await Promise.all([
    cluster.memberList(memberListRequest(), CALL),
    cluster.memberAdd(memberAddRequest(), CALL),
    cluster.memberRemove({ id: 1n }, CALL),
    cluster.memberUpdate(memberUpdateRequest(), CALL),
    cluster.memberPromote({ id: 1n }, CALL),
  ]);
  for (const { members } of answers) expect(members.map((one) => one.clientUrls)).toEqual([["http://edge-1"], []]);
});
