/** A small Kubernetes cluster on one member in memory; `npm run kubernetes` is the large one. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { startGrpcMember } from "../grpc/support/served-grpc.ts";
import type { GrpcMember } from "../grpc/support/served-grpc.ts";
import { play, type Step } from "./play.ts";

let proxy: GrpcMember;

beforeAll(async () => {
  proxy = await startGrpcMember();
});

afterAll(() => proxy.close());

test("kube-apiserver's calls: conflicts are found, pages are of one revision, every watch gets every event in order, what was compacted says so", async () => {
  const steps: Step[] = [];
  const size = { objects: 500, objectBytes: 2048, watches: 50, resources: 10, apiservers: 5 };
  await play({ address: proxy.address, ...size, inFlight: 32, pageLimit: 15 }, (step) => steps.push(step));
  expect(steps.find(({ name }) => name.startsWith("events"))?.count).toBeGreaterThan(4000);
});
