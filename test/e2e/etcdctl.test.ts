/**
 * etcd's own command line, every command of its help, against three members at the edge and three of a real etcd: what
 * it prints must be the same. `QUORATE_ETCD=… QUORATE_ETCDCTL=… npx vitest run --project e2e test/e2e/etcdctl.test.ts`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { both, findLeader, startEdge, startEtcd } from "./etcdctl-support.ts";
import type { Side, Step } from "./etcdctl-support.ts";

const ETCD = process.env["QUORATE_ETCD"] ?? "";
const ETCDCTL = process.env["QUORATE_ETCDCTL"] ?? "";
const KEPT_REVISION = ["R", /"revision":(\d+)/u] as const;
const GRANTED = /lease (\w+) granted/u;

describe.skipIf(ETCD === "" || ETCDCTL === "")(
  "etcdctl says the same (skipped unless QUORATE_ETCD and QUORATE_ETCDCTL say where the two programs are)",
  () => {
    let folder: string;
    let sides: readonly Side[] = [];
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "quorate-etcdctl-"));
      sides = await Promise.all([startEtcd(ETCD, join(folder, "etcd")), startEdge(join(folder, "edge"))]);
      // Both serve, and have moved past what follows their start.
      for (const side of sides) await both(ETCDCTL, [side], { args: ["member", "list", "--command-timeout", "60s"] });
    });
    afterAll(async () => {
      await Promise.all(sides.map((side) => side.stop()));
      await rm(folder, { recursive: true, force: true });
    });

    test.each<readonly [string, readonly Step[]]>([
      ["put, with each option and form", puts()],
      ["get, with each option and form", gets()],
      ["endpoint hashkv, the hashes themselves", hashes()],
      ["del", deletions()],
      ["txn, from its standard input", txns()],
      ["compaction", compactions()],
      ["watch, with ranges, the past, a command, and interactive", watches()],
      ["lease", leases()],
      ["lock and elect", locks()],
      ["make-mirror", mirrors()],
      ["endpoint health and status", endpoints()],
      ["alarm, defrag and snapshot", maintenance()],
      ["member", members()],
      ["downgrade", downgrades()],
      ["move-leader", moves()],
      ["version, completion, options, help", local()],
      ["auth, user and role", auth()],
    ])("%s", async (_name, script) => {
      for (const side of sides) await findLeader(ETCDCTL, side);
      const said = [];
      for (const step of script) said.push(await both(ETCDCTL, sides, step));
      expect(said.map(([, quorate]) => quorate)).toEqual(said.map(([etcd]) => etcd));
    });
  },
);

function steps(...lines: readonly string[]): readonly Step[] {
  return lines.map((line) => ({ args: line.split(" ") }));
}

function puts(): readonly Step[] {
  return [
    ...steps("put a/1 one", "put a/2 two", "put a/3 three", "put b 1", "put a/2 zwei --prev-kv", "put c 3 -w fields"),
    ...steps("put c 4 -w json", "put c 5 --prev-kv -w json", "put c 6 -w table", "put c 7 --prev-kv -w table"),
    ...steps("put c 8 --prev-kv -w fields", "put c 9 --hex", "put c --ignore-value", "put nokey --ignore-value"),
    ...steps("put c 10 --ignore-lease", "put nokey x --ignore-lease", "put c 11 --lease=7b", "put c x --lease=zz"),
    { args: ["put", "stdin"], stdin: "from stdin" },
    { args: ["put", "empty", ""] },
    { args: ["put", "", "x"] },
    { args: ["put", "long", "x".repeat(1_600_000)] },
    { args: ["put", "long", "x".repeat(2_200_000)] },
    { args: ["put", "--", "-dash", "-value"] },
    ...steps("put", "put a b c", "put c --ignore-value --prev-kv"),
  ].map(shortly);
}

/** Linux takes no argument above 128 KiB, so long values come by the standard input. */
function shortly(step: Step): Step {
  const long = step.args.findIndex((arg) => arg.length > 100_000);
  return long === -1 ? step : { args: step.args.slice(0, long), stdin: step.args[long] ?? "" };
}

function gets(): readonly Step[] {
  const sorts = ["CREATE", "KEY", "MODIFY", "VALUE", "VERSION"];
  return [
    ...steps("get a/1", "get a/1 -w json", "get a/1 -w fields", "get a/1 --hex", "get none", "get none -w json"),
    { args: ["get", "--prefix", ""] },
    ...steps("get a/1 a/3", "get a/2 --from-key", "get a/ --prefix --keys-only", "get a/ --prefix --count-only"),
    ...steps("get a/ --prefix --count-only -w fields", "get a/ --prefix --limit 2 -w json", "get a/1 --rev 2"),
    ...steps("get a/1 --rev 99999", "get a/1 --print-value-only", "get a/ --prefix --keys-only -w json"),
    ...steps("get a/1 --consistency s", "get a/1 --consistency x", "get a/ --prefix --min-mod-rev 5"),
    ...steps("get a/ --prefix --max-mod-rev 3", "get a/ --prefix --min-create-rev 3 --max-create-rev 3"),
    ...steps("get a/ --prefix --stream", "get a/ --prefix --stream -w json", "get a/ --prefix --stream --limit 1"),
    ...steps("get a/ --prefix -w table", "get a/ --prefix --order UP", "get a/ --prefix --sort-by NOTHING", "get"),
    ...sorts.flatMap((by) =>
      steps(`get a/ --prefix --sort-by ${by} --order DESCEND`, `get a --prefix --sort-by ${by}`),
    ),
    ...steps("get a/ --prefix --from-key", "get a/1 -w protobuf", "get a/1 -w nothing", "get a/1 --rev=-1"),
  ];
}

function hashes(): readonly Step[] {
  return [
    ...steps("endpoint hashkv", "endpoint hashkv -w json", "endpoint hashkv --rev 5", "endpoint hashkv --rev 99999"),
    // At the members' own addresses. (Later, ids of leases are part of what is hashed, and differ.)
    ...steps("endpoint hashkv -w fields", "endpoint hashkv -w table", "endpoint hashkv --cluster"),
  ];
}

function deletions(): readonly Step[] {
  return [
    ...steps(
      "put d/1 1",
      "put d/2 2",
      "put d/3 3",
      "put d/4 4",
      "put d/5 5",
      "del d/1",
      "del d/1",
      "del d/2 --prev-kv",
    ),
    ...steps("del d/3 d/4 --range", "del d/3 d/4", "del d/4 --prev-kv -w json", "del d/ --prefix --prev-kv"),
    ...steps("del d/ --prefix -w fields", "del d/ --prefix -w table", "put z/9 1", "del z/ --from-key", "del"),
    ...steps("del d/ --prefix --from-key"),
  ];
}

function txns(): readonly Step[] {
  const all = [
    'create("t/1") = "0"\n\nput t/1 new\nget t/1\n\nget t/1\n\n',
    'create("t/1") = "0"\n\nput t/1 new\n\nget t/1\nput t/2 other\n\n',
    'value("t/1") = "new"\nver("t/1") > "0"\nmod("t/2") < "100000"\n\ndel t/1\nput t/3 "with space"\n\n\n',
    'val("t/3") != "x"\n\nget t --prefix\ndel t --prefix --prev-kv\n\n\n',
    'lease("t/1") = "0"\n\nget t/1\n\n\n',
    "\nput same 1\nput same 2\n\n\n",
    "nonsense\n\n\n\n",
    'mod("a") = "x"\n\n\n\n',
    "\nput one\n\n\n",
    `\n${Array.from({ length: 129 }, (_, at) => `put many/${at} 1\n`).join("")}\n\n`,
    "\n\n\n",
  ];
  const formats = ["simple", "json", "fields", "table"];
  return [
    ...all.map((stdin): Step => ({ args: ["txn"], stdin })),
    ...formats.map((format): Step => ({ args: ["txn", "-w", format], stdin: "\nput f 1\nget f\ndel f\n\n\n" })),
    { args: ["txn", "-i"], stdin: 'create("ti") = "0"\n\nput ti 1\n\nget ti\n\n' },
  ];
}

function compactions(): readonly Step[] {
  return [
    ...steps(
      "compaction 5",
      "compaction 5",
      "compaction 4",
      "compaction 99999",
      "compaction x",
      "compaction",
      "compaction 0",
    ),
    ...steps(
      "compaction 8 --physical",
      "get a/1 --rev 5",
      "watch a/1 --rev 5",
      "endpoint hashkv",
      "endpoint hashkv --rev 6",
    ),
    ...steps("compaction 9 -w json", "endpoint hashkv"),
  ];
}

function watches(): readonly Step[] {
  const printed = [
    "--",
    "sh",
    "-c",
    'echo "$ETCD_WATCH_EVENT_TYPE" "$ETCD_WATCH_KEY" "$ETCD_WATCH_VALUE" "$ETCD_WATCH_REVISION"',
  ];
  return [
    { args: ["put", "w/1", "one", "-w", "json"], keep: KEPT_REVISION },
    ...steps("put w/2 two", "del w/1", "put w/2 zwei"),
    { args: ["watch", "w/1", "--rev", "$R"], lines: 6 },
    { args: ["watch", "w/", "--prefix", "--rev", "$R"], lines: 12 },
    { args: ["watch", "w/1", "w/3", "--rev", "$R", "--prev-kv"], lines: 14 },
    { args: ["watch", "w/", "--prefix", "--rev", "$R", "--prev-kv", "-w", "json"], lines: 1 },
    { args: ["watch", "w/", "--prefix", "--rev", "$R", "-w", "fields"], lines: 20 },
    { args: ["watch", "w/", "--prefix", "--rev", "$R", "--hex"], lines: 6 },
    { args: ["watch", "w/", "--prefix", "--rev", "$R", "--progress-notify"], lines: 6 },
    { args: ["watch", "w/1", "--rev", "$R", ...printed], lines: 8 },
    { args: ["watch", "w/1", "--rev", "1"] },
    { args: ["watch", "-i"], stdin: "watch w/1 --rev $R\n", lines: 6 },
    // No progress by request: etcd leaves it out while the watch is still reading the past.
    { args: ["watch", "-i"], stdin: "watch w/ --prefix --rev $R\n", lines: 12 },
    { args: ["watch", "-i"], stdin: "nonsense\n" },
    { args: ["watch"] },
  ];
}

function leases(): readonly Step[] {
  return [
    { args: ["lease", "grant", "600"], keep: ["L", GRANTED] },
    { args: ["put", "l/1", "x", "--lease=$L"] },
    // One key, because etcd tells those of a lease in no order.
    { args: ["get", "l/1", "-w", "fields"] },
    { args: ["put", "l/1", "y", "--ignore-lease"] },
    { args: ["lease", "keep-alive", "--once", "$L"] },
    { args: ["lease", "keep-alive", "--once", "$L", "-w", "json"] },
    { args: ["lease", "keep-alive", "$L"], lines: 1 },
    { args: ["lease", "timetolive", "$L"] },
    { args: ["lease", "timetolive", "$L", "--keys"] },
    { args: ["lease", "timetolive", "$L", "--keys", "-w", "json"] },
    { args: ["lease", "timetolive", "$L", "--keys", "-w", "fields"] },
    ...steps(
      "lease list",
      "lease list -w json",
      "lease list -w fields",
      "lease grant 0",
      "lease grant -1",
      "lease grant x",
    ),
    ...steps("lease grant 9000000001", "lease timetolive 123", "lease timetolive 123 -w json", "lease revoke 123"),
    ...steps("lease keep-alive --once 123", "lease keep-alive 123", "lease grant 30 -w json", "lease revoke", "lease"),
    { args: ["lease", "grant", "30", "-w", "fields"] },
    { args: ["lease", "revoke", "$L"] },
    { args: ["lease", "revoke", "$L"] },
    { args: ["get", "l/", "--prefix"] },
  ];
}

function locks(): readonly Step[] {
  return [
    { args: ["lock", "door", "echo", "in"] },
    { args: ["lock", "door", "--ttl", "20", "--", "sh", "-c", 'echo "$ETCD_LOCK_KEY $ETCD_LOCK_REV"'] },
    { args: ["lock", "door", "--", "sh", "-c", "exit 3"] },
    { args: ["lock", "door"], lines: 1 },
    { args: ["lock"] },
    { args: ["elect", "chair", "me"], lines: 2 },
    { args: ["elect", "chair"] },
    { args: ["elect", "chair", "me", "--listen"] },
    { args: ["put", "chair/fake", "president"] },
    { args: ["elect", "--listen", "chair"], lines: 2 },
    { args: ["get", "door", "--prefix"] },
  ];
}

function mirrors(): readonly Step[] {
  return [
    ...steps("put m/1 one", "put m/2 two"),
    // It tells what it has mirrored every thirty seconds only; it must be up and copy meanwhile.
    { args: ["make-mirror", "$ANY", "--prefix", "m/", "--dest-prefix", "mirrored/"], lines: 1 },
    ...steps("get mirrored/ --prefix", "make-mirror", "make-mirror $ANY --no-dest-prefix --dest-prefix x"),
  ];
}

function endpoints(): readonly Step[] {
  return [
    ...steps("endpoint health", "endpoint health -w json").map((step) => ({ ...step, at: "$ANY" })),
    ...["simple", "json", "fields"].flatMap((format): readonly Step[] => [
      { args: ["endpoint", "status", "-w", format], at: "$LEADER" },
      { args: ["endpoint", "status", "-w", format], at: "$FOLLOWER" },
    ]),
    // The members' own addresses, which a front must tell as its own.
    { args: ["endpoint", "health", "--cluster"], at: "$ANY" },
    { args: ["endpoint", "health", "--command-timeout", "1s"], at: "127.0.0.1:1" },
    { args: ["get", "a", "--command-timeout", "1s"], at: "127.0.0.1:1" },
  ];
}

function maintenance(): readonly Step[] {
  return [
    ...steps("alarm list", "alarm disarm", "alarm list -w json", "alarm list -w fields", "snapshot save", "snapshot"),
    { args: ["defrag"], at: "$FOLLOWER" },
    { args: ["snapshot", "save", "$DIR/snapshot.db"], at: "$FOLLOWER" },
    { args: ["snapshot", "save", "$DIR/snapshot.db"] },
  ];
}

function members(): readonly Step[] {
  const added = /Member\s+([0-9a-f]+) added/u;
  return [
    { args: ["member", "add", "four", "--peer-urls=http://127.0.0.1:1", "--learner"], keep: ["M", added] },
    // Not promoted: at the edge it is a member that runs, and soon in sync.
    { args: ["member", "update", "$M", "--peer-urls=http://127.0.0.1:2"] },
    { args: ["member", "remove", "$M"] },
    { args: ["member", "remove", "$M"] },
    { args: ["member", "update", "$M", "--peer-urls=http://127.0.0.1:3"] },
    { args: ["member", "promote", "$M"] },
    ...steps("member remove 123", "member remove zz", "member add", "member add four", "member promote 123"),
    ...steps("member add four --peer-urls=nonsense", "member update 123 --peer-urls=http://127.0.0.1:2", "member"),
    ...steps(
      "member list",
      "member list -w json",
      "member list --consistency s",
      "member list --consistency x",
      "member update 123",
    ),
  ];
}

function downgrades(): readonly Step[] {
  return [
    ...steps("downgrade validate 3.6", "downgrade validate 3.5", "downgrade validate x", "downgrade validate 3.7"),
    ...steps(
      "downgrade enable 3.5",
      "downgrade cancel",
      "downgrade validate 3.6 -w json",
      "downgrade enable",
      "downgrade",
    ),
  ];
}

function moves(): readonly Step[] {
  return [
    { args: ["move-leader", "$FOLLOWERID"], at: "$FOLLOWER" },
    { args: ["move-leader", "123"] },
    { args: ["move-leader", "zz"] },
    { args: ["move-leader"] },
    { args: ["move-leader", "$LEADERID"] },
    { args: ["move-leader", "$FOLLOWERID"] },
    { args: ["get", "a/2"] },
  ];
}

function local(): readonly Step[] {
  return [
    ...steps("version", "options", "help", "completion bash", "completion zsh", "completion fish", "completion x"),
    ...steps("check", "check perf --load nothing", "check datascale --load nothing", "nonsense"),
  ];
}

function auth(): readonly Step[] {
  const root = ["--user", "root:pw"];
  const someone = ["--user", "u:pw"];
  return [
    ...steps("auth status", "auth enable", "auth disable", "user list", "role list", "user get u", "role get r"),
    ...steps("user add root:pw", "user add u:pw", "user add u:pw", "user add n --no-password", "user list -w json"),
    { args: ["user", "add", "i", "--interactive=false"], stdin: "secret\n" },
    ...steps("user add v --new-user-password vp", "user get v", "role add r", "role add r", "role get r", "role list"),
    { args: ["user", "add", ":pw"] },
    ...steps("role grant-permission r readwrite k/ --prefix", "role grant-permission r read from --from-key"),
    ...steps(
      "role grant-permission r write a b",
      "role grant-permission r nothing a",
      "role grant-permission no read a",
    ),
    ...steps("role grant-permission r read one", "role get r", "role get r -w json", "role get r -w fields"),
    ...steps(
      "role revoke-permission r a b",
      "role revoke-permission r a b",
      "role revoke-permission r from --from-key",
    ),
    ...steps(
      "user grant-role u r",
      "user grant-role u no",
      "user grant-role no r",
      "user get u --detail",
      "user get u",
    ),
    ...steps("user grant-role root root", "auth enable", "auth enable"),
    { args: ["auth", "status", ...root] },
    { args: ["auth", "status", ...root, "-w", "json"] },
    ...steps("get k/1", "auth status", "user list", "put k/1 v --user nobody:pw", "put k/1 v --user u:wrong"),
    ...[
      "put k/1 v",
      "get k/ --prefix",
      "get z",
      "put z v",
      "get a z",
      "del k/1",
      "del k0",
      "watch z",
      "compaction 1",
      "user list",
      "user get u",
      "user get root",
      "role get r",
      "role get root",
      "member list",
      "lease grant 100",
      "endpoint health",
      "defrag",
      "alarm list",
      "move-leader 123",
      "auth disable",
      "snapshot save $DIR/no.db",
    ].map((line): Step => ({ args: [...line.split(" "), ...someone] })),
    { args: ["txn", ...someone], stdin: "\nput k/2 1\nget z\n\n\n" },
    { args: ["txn", ...someone], stdin: "\nput k/2 1\nget k/2\n\n\n" },
    { args: ["put", "k/3", "v", "--user", "u", "--password", "pw"] },
    { args: ["user", "passwd", "u", "--interactive=false", ...root], stdin: "new\n" },
    { args: ["put", "k/3", "v", ...someone] },
    { args: ["put", "k/3", "v", "--user", "u:new"] },
    { args: ["put", "k/3", "v", "--auth-jwt-token", "nonsense"] },
    { args: ["user", "revoke-role", "u", "r", ...root] },
    { args: ["user", "revoke-role", "u", "r", ...root] },
    { args: ["put", "k/3", "v", "--user", "u:new"] },
    { args: ["user", "delete", "u", ...root] },
    { args: ["user", "delete", "root", ...root] },
    { args: ["role", "delete", "root", ...root] },
    { args: ["role", "delete", "r", ...root] },
    { args: ["role", "delete", "r", ...root] },
    { args: ["endpoint", "health", ...root], at: "$ANY" },
    { args: ["auth", "disable", ...root] },
    ...steps("auth status", "user list", "role list", "user delete root", "user delete root", "get k/ --prefix"),
  ];
}
