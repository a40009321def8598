import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../src/cli/run.ts";
import { rangeRequest } from "../../src/protocol/api/kv.ts";
import { answerJson, startStub } from "../client/support/stub-server.ts";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { FakeTerminal, quorate } from "./support/fake-terminal.ts";
import type { FakeOptions, Session } from "./support/fake-terminal.ts";

const CALL = { token: "", requireLeader: false } as const;

let served: ServedMember;

beforeAll(async () => {
  served = await serveMember();
});
afterAll(() => served.close());

beforeEach(() => cli("del", "", "--prefix"));
afterEach(() => {
  served.intercept = () => false;
});

function cli(...args: readonly string[]): Promise<Session> {
  return quorate(served.endpoint, args);
}

function cliWith(options: FakeOptions, ...args: readonly string[]): Promise<Session> {
  return quorate(served.endpoint, args, options);
}

const COMMANDS = [
  "put",
  "get",
  "del",
  "watch",
  "status",
  "member",
  "health",
  "alarm",
  "hashkv",
  "defrag",
  "snapshot",
  "restore",
  "move-leader",
  "downgrade",
  "import",
  "export",
];

describe("help", () => {
  test.each(COMMANDS)("%s --help prints usage, options and examples, and exits with 0", async (command) => {
    for (const args of [
      [command, "--help"],
      [command, "-h"],
      [command, "--nonsense", "--help"],
      ["help", command],
    ]) {
      const { code, out, err } = await cli(...args);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toMatch(new RegExp(`^quorate ${command} `));
      expect(out).toContain("Examples:\n  quorate ");
      expect(out).toContain("--endpoint URL");
    }
  });

  test.each([["--help"], ["-h"], ["help"]])("%s prints all commands and the exit codes", async (word) => {
    const { code, out } = await cli(word);
    expect(code).toBe(0);
    for (const command of COMMANDS) expect(out).toMatch(new RegExp(`^  ${command} `, "m"));
    expect(out).toContain("Exit codes:\n  0  done");
  });

  test("no line of any help is wider than 120 columns", async () => {
    for (const args of [["--help"], ...COMMANDS.map((command) => [command, "--help"])]) {
      const { out } = await cli(...args);
      expect(out.split("\n").filter((line) => line.length > 120)).toEqual([]);
    }
  });

  test("--help behind -- is an argument like any other", async () => {
    expect((await cli("put", "--", "--help", "value")).code).toBe(0);
    expect((await cli("get", "--print-value-only", "--", "--help")).out).toBe("value\n");
  });
});

describe("wrong usage exits with 2 and one helpful line on stderr", () => {
  test.each([
    [["pu", "a", "b"], 'unknown command "pu"; did you mean put?'],
    [["delete", "a"], 'unknown command "delete"; did you mean del?'],
    [["xyzzy"], 'unknown command "xyzzy"; there are put, get'],
    [["--endpoint", "http://x", "get", "a"], "options come after the command"],
    [["get", "a", "--prefx"], "unknown option --prefx; did you mean --prefix?"],
    [["put", "a", "-1"], "unknown option -1; what begins with a dash and is no option comes after --"],
    [["get", "a", "--rev"], "--rev"],
    [["get", "a", "--rev", "x"], '--rev takes a whole number from 1 on, not "x"'],
    [["get", "a", "--limit=-3"], "--limit takes a whole number"],
    [["get", "a", "--timeout", "soon"], "--timeout takes a number of seconds"],
    [["get"], 'get needs a KEY; for all keys: get "" --prefix'],
    [["get", "a", "b", "c"], "get takes one KEY"],
    [["get", "a", "b", "--prefix"], "--prefix takes no RANGE_END"],
    [["get", "a", "--hex", "--base64"], "--hex and --base64 exclude each other"],
    [
      ["get", "a", "--sort", "size"],
      '--sort takes one of key, version, createRevision, modRevision, value, not "size"',
    ],
    [["get", "a", "--endpoint", "localhost:2379"], "did you mean http://localhost:2379 ?"],
    [["put"], "put needs a KEY"],
    [["put", "a"], "put needs a VALUE, or one on stdin"],
    [["put", "a", "b", "c"], "quote a value with spaces"],
    [["put", "a", "zz", "--hex"], "VALUE is not hexadecimal"],
    [["put", "a", "b", "--ignore-value"], "--ignore-value takes no VALUE"],
    [["put", "a", "b", "--lease", "many"], '--lease takes a lease id, not "many"'],
    [["put", "a", "b", "--binary"], "--binary reads the value from stdin"],
    [["put", "a", "b", "--if-absent", "--if-rev", "3"], "--if-absent and --if-rev exclude each other"],
    [["watch", "a", "--filter", "all"], '--filter takes put or delete, not "all"'],
    [["status", "now"], "status takes no arguments"],
    [["import"], "import takes one DIR"],
    [["import", "/no/such/folder"], "cannot read /no/such/folder: no such file or directory"],
    [["export"], "export takes one DIR"],
  ])("%j: %s", async (args, message) => {
    const { code, out, err } = await cli(...args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^quorate: [^\n]*\n$/);
    expect(err).toContain(message);
  });

  test("no command at all ends with 2 and the help on stderr", async () => {
    const { code, out, err } = await cli();
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain("Commands:");
  });
});

describe("put and get", () => {
  test("text is sent and printed as UTF-8, key and value on a line each", async () => {
    expect(await cli("put", "ключ", "значение")).toMatchObject({ code: 0, out: "OK\n", err: "" });
    expect(await cli("get", "ключ")).toMatchObject({ code: 0, out: "ключ\nзначение\n" });
    expect((await cli("get", "ключ", "--print-value-only")).out).toBe("значение\n");
    expect((await cli("get", "ключ", "--keys-only")).out).toBe("ключ\n");
  });

  test.each([[["put", "bin"]], [["put", "bin", "-"]], [["put", "bin", "--binary"]]])(
    "%j takes stdin byte for byte, and get --binary gives it back",
    async (args) => {
      const input = new Uint8Array([0, 255, 10, 13, 10]);
      expect(await cliWith({ input }, ...args)).toMatchObject({ code: 0 });
      expect(new Uint8Array((await cli("get", "bin", "--binary")).outBytes)).toEqual(input);
    },
  );

  test("values are given and shown in hexadecimal and base64, and keys may be hexadecimal", async () => {
    await cli("put", "00ff", "cafe", "--hex", "--hex-key");
    expect((await cli("get", "00ff", "--hex", "--hex-key")).out).toBe("00ff\ncafe\n");
    await cliWith({ input: new TextEncoder().encode("yv4=\n") }, "put", "b", "--base64");
    expect((await cli("get", "b", "--base64", "--print-value-only")).out).toBe("yv4=\n");
  });

  test("bytes that are not UTF-8 are shown with a hint on stderr", async () => {
    await cli("put", "b", "ff", "--hex");
    expect(await cli("get", "b")).toMatchObject({
      code: 0,
      out: "b\n�\n",
      err: "quorate: one key or value is not UTF-8 and not printed exactly; see --hex, --base64, --binary\n",
    });
  });

  test("a missing key ends with 1 and says so on stderr alone", async () => {
    expect(await cli("get", "none")).toMatchObject({ code: 1, out: "", err: "quorate: not found: none\n" });
    expect(await cli("get", "none", "--prefix", "--count-only")).toMatchObject({ code: 1, out: "0\n", err: "" });
  });

  test("ranges: a prefix, an end, from a key on, the last first, limited, counted", async () => {
    for (const key of ["a1", "a2", "a3", "b"]) await cli("put", key, "v");
    const keys = async (...args: string[]): Promise<string> =>
      (await cli("get", ...args, "--keys-only")).out.trimEnd().replaceAll("\n", " ");
    expect(await keys("a", "--prefix")).toBe("a1 a2 a3");
    expect(await keys("a1", "a3")).toBe("a1 a2");
    expect(await keys("a3", "--from-key")).toBe("a3 b");
    expect(await keys("", "--prefix", "--descend", "--limit", "2")).toBe("b a3");
    expect((await cli("get", "a", "--prefix", "--count-only")).out).toBe("3\n");
  });

  test("get reads an older revision, and put prints the previous value", async () => {
    const { out } = await cli("put", "k", "one", "--json");
    const { header } = JSON.parse(out) as { readonly header: { readonly revision: number } };
    expect((await cli("put", "k", "two", "--prev-kv")).out).toBe("OK\nk\none\n");
    expect((await cli("get", "k", "--rev", String(header.revision), "--print-value-only")).out).toBe("one\n");
  });

  test("--json has etcdctl's fields, base64, no zeroes, and ids as strings", async () => {
    await cli("put", "k", "v");
    const { out } = await cli("get", "k", "--json", "--serializable");
    const { header, kvs, ...rest } = JSON.parse(out) as Record<string, unknown>;
    const [revision] = [(header as { readonly revision: number }).revision];
    expect(header).toEqual({
      cluster_id: String(0xfedc_ba98_7654_3210n),
      member_id: String(0xffff_0000_0000_0001n),
      revision,
      raft_term: expect.any(Number) as number,
    });
    expect(kvs).toEqual([
      { key: "aw==", create_revision: revision, mod_revision: revision, version: 1, value: "dg==" },
    ]);
    expect(rest).toEqual({ count: 1 });
  });

  test("a conditional put that does not hold changes nothing and ends with 1", async () => {
    expect(await cli("put", "lock", "me", "--if-absent")).toMatchObject({ code: 0, out: "OK\n" });
    expect(await cli("put", "lock", "you", "--if-absent")).toMatchObject({ code: 1, out: "" });
    expect((await cli("get", "lock", "--print-value-only")).out).toBe("me\n");
    const { kvs } = JSON.parse((await cli("get", "lock", "--json")).out) as { kvs: { mod_revision: number }[] };
    const revision = String(kvs[0]?.mod_revision);
    expect(await cli("put", "lock", "mine", "--if-rev", revision)).toMatchObject({ code: 0 });
    expect(await cli("put", "lock", "mine", "--if-rev", revision)).toMatchObject({ code: 1 });
  });

  test("an empty value is a value", async () => {
    expect(await cli("put", "empty", "")).toMatchObject({ code: 0 });
    expect(await cli("get", "empty")).toMatchObject({ code: 0, out: "empty\n\n" });
  });
});

describe("del", () => {
  test("prints the number of deleted keys, and exits with 1 if there were none", async () => {
    await cli("put", "a1", "x");
    await cli("put", "a2", "y");
    expect(await cli("del", "a", "--prefix", "--prev-kv")).toMatchObject({ code: 0, out: "2\na1\nx\na2\ny\n" });
    expect(await cli("del", "a", "--prefix")).toMatchObject({ code: 1, out: "0\n" });
    expect(JSON.parse((await cli("del", "a", "--json")).out)).not.toHaveProperty("deleted");
  });
});

describe("watch", () => {
  test("prints each event as etcdctl does, and exits with 0 after the given number", async () => {
    const { out } = await cli("put", "w", "1", "--json");
    const { header } = JSON.parse(out) as { readonly header: { readonly revision: number } };
    await cli("put", "w", "2");
    await cli("del", "w");
    const rev = String(header.revision);
    expect(await cli("watch", "w", "--rev", rev, "--events", "3", "--prev-kv")).toMatchObject({
      code: 0,
      out: "PUT\nw\n1\nPUT\nw\n1\nw\n2\nDELETE\nw\n2\nw\n\n",
      err: "",
    });
    const filtered = await cli("watch", "w", "--rev", rev, "--events", "1", "--filter", "put", "--json");
    expect(JSON.parse(filtered.out)).toMatchObject({ events: [{ type: "DELETE", kv: { key: "dw==" } }] });
  });

  test("an interrupt ends it cleanly with 0, and the signals are as before", async () => {
    const terminal = new FakeTerminal({
      env: { QUORATE_ENDPOINT: served.endpoint },
      onWrite: () => terminal.interrupt(),
    });
    await cli("put", "w", "1");
    expect(await run(["watch", "", "--prefix", "--rev", "1"], terminal)).toBe(0);
    expect(terminal.err).toBe("");
    expect(terminal.listeners).toBe(0);
  });

  test("revisions that were compacted end it with 3 and the oldest revision left", async () => {
    const { header } = await served.services.kv.range(rangeRequest({ key: new Uint8Array([1]) }), CALL);
    await served.services.kv.compact({ revision: header.revision, physical: true }, CALL);
    expect(await cli("watch", "w", "--rev", "1")).toMatchObject({
      code: 3,
      err: `quorate: etcdserver: mvcc: required revision has been compacted; the oldest left is ${header.revision} (OutOfRange)\n`,
    });
  });
});

describe("status", () => {
  test("prints a table of the members", async () => {
    const { code, out } = await cli("status");
    expect(code).toBe(0);
    expect(out).toMatch(/^ID +NAME +KIND +ROLE +TERM +REVISION +COMMIT +LAG +SIZE\n/);
    expect(out).toMatch(/\nffff000000000001 +solo +voter +leader +\d+ +\d+ +\d+ +\d+ +\S+ \S*B\n$/);
  });

  test("--json gives each member's own status", async () => {
    const [status] = JSON.parse((await cli("status", "--json")).out) as Record<string, unknown>[];
    expect(status).toMatchObject({ id: "18446462598732840961", role: "leader", name: "solo" });
  });

  test("of a cluster, it queries each member at /m/N and lists those that do not respond; without a leader it exits with 1", async () => {
    const members = ["1", "2", "3"].map((id) => ({ id, name: `m${id}`, learner: id === "3" }));
    const view = (id: string, role: string, applied: number): object => ({
      ...{
        id,
        name: `m${id}`,
        clusterId: "9",
        role,
        term: 4,
        leader: "0",
        commit: applied,
        applied,
        lastIndex: applied,
      },
      ...{ revision: 7, compactRevision: 0, dbSizeBytes: 2048, members },
      ...{ problem: { code: "no-leader", text: "no leader yet" } },
    });
    const stub = await startStub(({ url }, response) => {
      if (url === "/quorate/status" || url === "/m/1/quorate/status")
        answerJson(response, 200, view("1", "follower", 50));
      else if (url === "/m/2/quorate/status") answerJson(response, 200, view("2", "candidate", 46));
      else answerJson(response, 404, { code: 5, message: "Not Found" });
    });
    const { code, out, err } = await quorate(stub.endpoint, ["status"]);
    await stub.close();
    expect({ code, err }).toEqual({ code: 1, err: "quorate: no leader yet\n" });
    expect(out).toBe(
      "ID  NAME  KIND     ROLE       TERM  REVISION  COMMIT  LAG  SIZE\n" +
        "1   m1    voter    follower   4     7         50      0    2.0 KiB\n" +
        "2   m2    voter    candidate  4     7         46      4    2.0 KiB\n" +
        "3   m3    learner  no answer  -     -         -       ?    -\n",
    );
  });
});

describe("exit codes of failures", () => {
  test("a server that refuses: 3, with its error", async () => {
    expect(await cli("get", "a", "--rev", "999999")).toMatchObject({
      code: 3,
      err: "quorate: etcdserver: mvcc: required revision is a future revision (OutOfRange)\n",
    });
    expect(await cli("put", "a", "b", "--lease", "77")).toMatchObject({
      code: 3,
      err: "quorate: etcdserver: requested lease not found (NotFound)\n",
    });
  });

  test("a server that says it is unavailable has been reached: 3", async () => {
    served.intercept = (_, response) => {
      answerJson(response, 503, { code: 14, message: "etcdserver: no leader" });
      return true;
    };
    expect(await cli("put", "a", "b")).toMatchObject({
      code: 3,
      err: "quorate: etcdserver: no leader (Unavailable)\n",
    });
  });

  test.each([["get", "a"], ["put", "a", "b"], ["watch", "a"], ["status"], ["import", "."], ["export", "/nowhere"]])(
    "no server: 4, with the address and a hint (%s)",
    async (...args) => {
      const stub = await startStub(() => {});
      await stub.close();
      const patience = args[0] === "import" || args[0] === "export" ? ["--patience", "0.01"] : [];
      const { code, err } = await quorate(stub.endpoint, [...args, ...patience]);
      expect(code).toBe(4);
      expect(err).toContain(`quorate: no connection to ${stub.endpoint}: connect ECONNREFUSED`);
      expect(err).toContain("(is the server running? see --endpoint)");
    },
  );

  test("a server that does not respond in time: 4", async () => {
    const stub = await startStub(() => {});
    const { code, err } = await quorate(stub.endpoint, ["put", "a", "b", "--timeout", "0.05"]);
    await stub.close();
    expect({ code, err }).toEqual({ code: 4, err: `quorate: no answer from ${stub.endpoint} within 50 ms\n` });
  });
});
