/** npm's etcd3, as its users have it, against the front: over a member itself, and over a member behind HTTP. */
import { Etcd3 } from "etcd3";
import type { IOptions, Watcher } from "etcd3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { httpServices } from "../../src/client/http/http-services.ts";
import { startGrpcProxy } from "../../src/grpc/proxy.ts";
import type { GrpcProxy } from "../../src/grpc/proxy.ts";
import type { Services } from "../../src/member/api/services.ts";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";

describe.each([
  ["over a member", ({ services }: ServedMember): Services => services],
  ["over a member behind HTTP", ({ endpoint }: ServedMember): Services => httpServices({ endpoint, WebSocket })],
])("etcd3 %s", (_name, servicesOf) => {
  let member: ServedMember;
  let proxy: GrpcProxy;
  let etcd: Etcd3;

  beforeEach(async () => {
    member = await serveMember();
    proxy = await startGrpcProxy({ services: servicesOf(member), listen: "127.0.0.1:0" });
    etcd = new Etcd3(optionsFor(proxy));
  });
  afterEach(async () => {
    etcd.close();
    await proxy.close();
    await member.close();
  });

  test("puts, gets, lists and deletes", async () => {
    await etcd.put("a/1").value("one");
    await etcd.put("a/2").value("two");
    expect(await etcd.get("a/1").string()).toBe("one");
    expect(await etcd.getAll().prefix("a/").strings()).toEqual({ "a/1": "one", "a/2": "two" });
    const txn = await etcd.if("a/1", "Value", "==", "one").then(etcd.put("a/1").value("eins")).commit();
    expect(txn.succeeded).toBe(true);
    expect((await etcd.delete().prefix("a/")).deleted).toBe("2");
    expect(await etcd.get("a/1").string()).toBeNull();
  });

  test("keeps a lease alive, and takes its keys along when it is revoked", async () => {
    const lease = etcd.lease(1);
    await lease.put("leased").value("1");
    const keepAlive = new Promise((resolve) => lease.once("keepaliveSucceeded", resolve));
    expect(await keepAlive).toMatchObject({ ID: await lease.grant() });
    await lease.revoke();
    expect(await etcd.get("leased").string()).toBeNull();
  });

  test("watches, and continues where it stopped after the proxy was down", async () => {
    const watcher: Watcher = await etcd.watch().prefix("w/").create();
    const seen: string[] = [];
    const puts = new Events();
    watcher.on("put", ({ key, value }) => {
      seen.push(`${key.toString()}=${value.toString()}`);
      puts.happened();
    });
    await etcd.put("w/1").value("a");
    await puts.until(() => seen.length === 1);

    const { port } = proxy;
    await proxy.close();
    await member.services.kv.put(
      {
        key: Buffer.from("w/2"),
        value: Buffer.from("b"),
        lease: 0n,
        prevKv: false,
        ignoreValue: false,
        ignoreLease: false,
      },
      { token: "", requireLeader: false },
    );
    proxy = await startGrpcProxy({ services: servicesOf(member), listen: `127.0.0.1:${port}` });
    await puts.until(() => seen.length === 2);
    expect(seen).toEqual(["w/1=a", "w/2=b"]);
    await watcher.cancel();
  });

  test("locks: a held lock excludes others until it is released", async () => {
    const first = etcd.lock("door");
    await first.acquire();
    await expect(etcd.lock("door").acquire()).rejects.toThrow("Failed to acquire a lock on door");
    await first.release();
    const second = etcd.lock("door");
    await second.acquire();
    await second.release();
  });
});

function optionsFor({ port }: GrpcProxy): IOptions {
  return { hosts: `127.0.0.1:${port}`, grpcOptions: { "grpc.use_local_subchannel_pool": 1 } };
}

/** Waiting for something that an event brings about. */
class Events {
  #wake: (() => void) | undefined;

  happened(): void {
    this.#wake?.();
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
