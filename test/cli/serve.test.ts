/** The options of `quorate serve`: what is refused before anything starts. Members that run: test/e2e/processes.test.ts. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ExitCode } from "../../src/cli/common/exit-codes.ts";
import { run } from "../../src/cli/run.ts";
import { memberConfig } from "../../src/serve/member-config.ts";
import { initialClusterId, initialMembersOf } from "../../worker/process/initial-cluster.ts";
import { FakeTerminal } from "./support/fake-terminal.ts";

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "quorate-serve-"));
  for (const name of ["cert.pem", "key.pem", "ca.pem"]) writeFileSync(at(name), "-----BEGIN X-----\n");
  writeFileSync(at("short"), "short\n");
  writeFileSync(at("broken.yaml"), "name: m1\nlisten = x\n");
  writeFileSync(at("unknown.yaml"), "# a comment\n---\nname: m1\nlisten-peers: x\n");
  writeFileSync(at("peers.yaml"), 'name: "m1"\npeer-listen: http://10.0.0.1:2380 # for members\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function refusalOf(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const terminal = new FakeTerminal({ env });
  const code = await run(["serve", "--data-dir", at("data"), ...args], terminal);
  expect(code).toBe(ExitCode.usage);
  return terminal.err;
}

const OPEN_PEERS = ["--peer-listen", "http://10.0.0.1:2380"];

describe("quorate serve refuses", () => {
  test.each([
    [
      "a peer listener on a network that nothing protects",
      () => OPEN_PEERS,
      "members beyond this machine prove themselves",
    ],
    [
      "certificates for peers of which no authority is given",
      () => [
        "--peer-listen",
        "https://10.0.0.1:2380",
        "--peer-cert-file",
        at("cert.pem"),
        "--peer-key-file",
        at("key.pem"),
      ],
      "members beyond this machine prove themselves",
    ],
    [
      "a secret that could be guessed",
      () => [...OPEN_PEERS, "--peer-token-file", at("short")],
      "at least 16 characters",
    ],
    ["https without a certificate", () => ["--listen", "https://127.0.0.1:1"], "needs --cert-file and --key-file"],
    ["a certificate without its key", () => ["--cert-file", at("cert.pem")], "needs both --cert-file and --key-file"],
    [
      "a certificate that would not be used",
      () => ["--cert-file", at("cert.pem"), "--key-file", at("key.pem")],
      "--listen is https:// with a certificate",
    ],
    ["an authority without TLS", () => ["--trusted-ca-file", at("ca.pem")], "--trusted-ca-file needs https://"],
    [
      "a file that is no PEM",
      () => ["--listen", "https://127.0.0.1:1", "--cert-file", at("short"), "--key-file", at("key.pem")],
      "is not in PEM",
    ],
    ["a file that is not there", () => ["--cert-file", at("none"), "--key-file", at("key.pem")], "there is no file"],
    ["a cluster without itself", () => ["--name", "m1", "--initial-cluster", "m2=http://a:1"], 'no member named "m1"'],
    [
      "a cluster in which it has another address",
      () => ["--name", "m1", "--initial-cluster", "m1=http://a:1,m2=http://b:1"],
      "has m1=http://a:1, and --initial-advertise-peer-urls is http://127.0.0.1:2380",
    ],
    ["another state", () => ["--initial-cluster-state", "old"], 'is new or existing, not "old"'],
    ["a listener that is no address", () => ["--listen", "127.0.0.1:8787"], "--listen takes a URL"],
    ["arguments", () => ["m1"], "serve takes no arguments"],
    [
      "a line of the file that is none",
      () => ["--config-file", at("broken.yaml")],
      'broken.yaml:2 is no "name: value"',
    ],
    ["an unknown name in the file", () => ["--config-file", at("unknown.yaml")], "there is no option listen-peers"],
    [
      "what the file asks for, as from the command line",
      () => ["--config-file", at("peers.yaml")],
      "members beyond this machine",
    ],
  ])("%s", async (_what, args, message) => {
    expect(await refusalOf(args())).toContain(message);
  });

  test("what the environment asks for, as from the command line", async () => {
    expect(await refusalOf([], { QUORATE_PEER_LISTEN: "http://10.0.0.1:2380" })).toContain("prove themselves");
    expect(await refusalOf([], { QUORATE_CONFIG_FILE: at("peers.yaml") })).toContain("prove themselves");
    expect(await refusalOf(["--peer-listen", "x"], { QUORATE_PEER_LISTEN: "http://10.0.0.1:1" })).toContain('not "x"');
  });
});

describe("the initial cluster", () => {
  test("ids follow from the peer URLs and the token, in whatever order they are given", () => {
    const one = initialMembersOf("m1=http://a:1,m2=http://b:2", "t");
    const two = initialMembersOf("m2=http://b:2/, m1=http://a:1", "t");
    expect(two.map(({ id }) => id).toReversed()).toEqual(one.map(({ id }) => id));
    expect(initialClusterId(two, "t")).toBe(initialClusterId(one, "t"));
    expect(initialClusterId(initialMembersOf("m1=http://a:1,m2=http://b:2", "u"), "u")).not.toBe(
      initialClusterId(one, "t"),
    );
  });

  test("a member may have several URLs", () => {
    const [member] = initialMembersOf("m1=http://b:2,m1=http://a:1", "t");
    expect(member?.peerUrls).toEqual(["http://a:1", "http://b:2"]);
  });

  test.each([
    ["", 'and "" is no part of one'],
    ["m1", 'and "m1" is no part of one'],
    ["m1=a:1", 'not "a:1"'],
    ["m1=http://a:1/x", 'not "http://a:1/x"'],
    ["m1=http://a:1,m2=http://a:1", "names http://a:1 twice"],
  ])("%s is refused", (text, message) => {
    expect(() => initialMembersOf(text, "t")).toThrow(message);
  });
});

test("workerd's configuration quotes what it is given", () => {
  const listener = { host: "127.0.0.1", port: 1 };
  const text = memberConfig({
    clients: listener,
    peers: listener,
    compatibilityDate: "2026-01-01",
    compatibilityFlags: [],
    workerFile: 'a"b.js',
    assetsFile: "c\\d.js",
    pageFolder: "/p",
    dataFolder: "/d",
    vars: { NAME: 'x", text = "y\nz' },
  });
  expect(text).toContain('embed "a\\"b.js"');
  expect(text).toContain('embed "c\\\\d.js"');
  expect(text).toContain('(name = "NAME", text = "x\\", text = \\"y\\nz")');
});
