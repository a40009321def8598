/** A small Kubernetes cluster on one member in memory; `npm run kubernetes` is the large one. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { startGrpcProxy } from "../../src/grpc/proxy.ts";
import type { GrpcProxy } from "../../src/grpc/proxy.ts";
import { startMember } from "../client/support/own-member.ts";
import { play, type Step } from "./play.ts";

let member: Awaited<ReturnType<typeof startMember>>;
let front: GrpcProxy;

beforeAll(async () => {
  member = await startMember();
  front = await startGrpcProxy({ services: member.services, listen: "127.0.0.1:0" });
});

afterAll(async () => {
  await front.close();
  member.member.stop();
});

test("kube-apiserver's calls: conflicts are found, pages are of one revision, every watch is told everything in order, what was compacted says so", async () => {
  const steps: Step[] = [];
  const size = { objects: 500, objectBytes: 2048, watches: 50, resources: 10, apiservers: 5 };
  await play({ address: `127.0.0.1:${front.port}`, ...size, inFlight: 32, pageLimit: 15 }, (step) => steps.push(step));
  expect(steps.find(({ name }) => name.startsWith("events"))?.count).toBeGreaterThan(4000);
});
