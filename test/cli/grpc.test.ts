/** `quorate grpc` in this process, with a terminal that remembers. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../src/cli/run.ts";
import { memberListRequest } from "../../src/protocol/api/cluster.ts";
import { putRequest, rangeRequest } from "../../src/protocol/api/kv.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { RawClient } from "../grpc/support/raw-client.ts";
import { FakeTerminal, quorate } from "./support/fake-terminal.ts";

const KEY = Uint8Array.of(107);
let member: ServedMember;

beforeAll(async () => {
  member = await serveMember();
});
afterAll(() => member.close());

/** Runs the command until `use` is done with it, then interrupts it. */
async function served(
  endpoint: string,
  use: (address: string) => Promise<void>,
  options: readonly string[] = [],
): Promise<{ code: number; terminal: FakeTerminal }> {
  let listening = (_address: string): void => {};
  const address = new Promise<string>((resolve) => {
    listening = resolve;
  });
  const terminal = new FakeTerminal({
    env: { QUORATE_ENDPOINT: endpoint },
    onWrite: (text) => listening(/gRPC at (\S+)/.exec(text)?.[1] ?? ""),
  });
  const ended = run(["grpc", "--listen", "127.0.0.1:0", ...options], terminal);
  await use(await address);
  terminal.interrupt();
  return { code: await ended, terminal };
}

describe("quorate grpc", () => {
  test("serves what the endpoint holds until it is interrupted", async () => {
    const { code, terminal } = await served(member.endpoint, async (address) => {
      const client = new RawClient(address);
      await client.call(RPCS.kv.put, putRequest({ key: KEY, value: KEY }));
      const { kvs } = await client.call(RPCS.kv.range, rangeRequest({ key: KEY }));
      expect(kvs[0]?.value).toEqual(KEY);
      client.close();
    });
    expect(code).toBe(0);
    expect(terminal.err).toBe("");
    expect(new TextDecoder().decode(terminal.outBytes)).toMatch(
      new RegExp(`^etcd's gRPC at 127\\.0\\.0\\.1:\\d+ \\(in the clear\\), served by ${member.endpoint}\n$`),
    );
  });

  test("an endpoint that does not respond is reported at once, and may become reachable later", async () => {
    const { code, terminal } = await served("http://127.0.0.1:1", async () => {});
    expect(code).toBe(0);
    expect(terminal.err).toContain("quorate: the endpoint does not serve yet: no connection to http://127.0.0.1:1");
  });

  test.each([
    [[], (address: string): string => `http://${address}`],
    [["--advertise-client-urls", "http://front:2379"], (): string => "http://front:2379"],
    [["--advertise-client-urls", "other=http://o:1,solo=https://s:1"], (): string => "https://s:1"],
    [["--advertise-client-urls", "other=http://o:1"], (address: string): string => `http://${address}`],
  ])("the member list leads clients to a front, with %j", async (options, wanted) => {
    await served(
      member.endpoint,
      async (address) => {
        const client = new RawClient(address);
        const { members } = await client.call(RPCS.cluster.memberList, memberListRequest({ linearizable: true }));
        expect(members.map((one) => one.clientUrls)).toEqual([[wanted(address)]]);
        client.close();
      },
      options,
    );
  });

  test("a port in use is reported in one line", async () => {
    const { port } = new URL(member.endpoint);
    expect(await quorate(member.endpoint, ["grpc", "--listen", `127.0.0.1:${port}`])).toMatchObject({
      code: 3,
      err: `quorate: cannot listen at 127.0.0.1:${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}\n`,
    });
  });

  test.each([
    [["here"], "grpc takes no arguments"],
    [["--listen", "2379"], '--listen takes HOST:PORT such as 127.0.0.1:2379, not "2379"'],
    [["--listen", "127.0.0.1:99999"], '--listen takes HOST:PORT such as 127.0.0.1:2379, not "127.0.0.1:99999"'],
    [["--cert", "a.pem"], "TLS needs both --cert and --key"],
    [["--client-ca", "a.pem"], "TLS needs both --cert and --key"],
    [["--cert", "/nowhere", "--key", "/nowhere"], "--cert cannot be read: ENOENT"],
    [["--advertise-client-urls", "front:2379"], "--advertise-client-urls takes http://HOST:PORT or NAME="],
    [["--token", "t"], "grpc takes no --token: clients bring their own"],
  ])("%j is wrong usage: %s", async (args, text) => {
    const { code, err } = await quorate(member.endpoint, ["grpc", ...args]);
    expect(code).toBe(2);
    expect(err).toContain(text);
  });

  test("a file that is no PEM is refused before anything listens", async () => {
    const folder = await mkdtemp(join(tmpdir(), "quorate-pem-"));
    const file = join(folder, "cert.der");
    await writeFile(file, Uint8Array.of(0x30, 0x82));
    const { code, err } = await quorate(member.endpoint, ["grpc", "--cert", file, "--key", file]);
    await rm(folder, { recursive: true });
    expect([code, err]).toEqual([2, `quorate: --cert ${file} is not in PEM (see quorate grpc --help)\n`]);
  });
});
