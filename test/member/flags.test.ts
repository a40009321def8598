import { describe, expect, test } from "vitest";
import { durationMs, MEMBER_FLAG_NAMES, memberOptionsOf, variableOf } from "../../src/member/flags.ts";
import type { FlaggedOptions, MemberFlagName } from "../../src/member/flags.ts";
import { DEFAULT_LIMITS } from "../../src/member/options.ts";

function options(flags: Partial<Record<MemberFlagName, string>>): FlaggedOptions {
  return memberOptionsOf((flag) => flags[flag]);
}

test("M48 without flags every default applies", () => {
  expect(options({})).toEqual({ limits: {}, cluster: {} });
  expect(memberOptionsOf(() => "")).toEqual({ limits: {}, cluster: {} });
});

test("M48 each limit has its flag", () => {
  const all = options({
    "max-txn-ops": "256",
    "max-request-bytes": "1000",
    "quota-backend-bytes": "-1",
    "max-learners": "2",
    "strict-reconfig-check": "false",
    "corrupt-check-time": "1h30m",
    "watch-progress-notify-interval": "1s",
    "max-watchers": "3",
    "max-concurrent-streams": "4",
    "max-watch-backlog-bytes": "5",
    "max-pending-requests": "6",
    "max-apply-backlog": "7",
    "bcrypt-cost": "12",
  });

  expect(all).toEqual({
    limits: {
      txnOperations: 256,
      requestBytes: 1000,
      watchers: 3,
      watchStreams: 4,
      watchStreamBytes: 5,
      pendingRequests: 6,
      applyBacklog: 7,
    },
    cluster: { maxLearners: 2, strictReconfigCheck: false },
    quotaBackendBytes: -1,
    bcryptCost: 12,
    corruptCheckMs: 5_400_000,
    watchProgressMs: 1_000,
  });
});

test("M48 the defaults are etcd's", () => {
  expect(DEFAULT_LIMITS).toMatchObject({ txnOperations: 128, requestBytes: 1_572_864, applyBacklog: 5_000 });
});

describe("auto-compaction", () => {
  test.each([
    ["", "1", { mode: "periodic", retention: 3_600_000 }],
    ["periodic", "30m", { mode: "periodic", retention: 1_800_000 }],
    ["periodic", "1h", { mode: "periodic", retention: 3_600_000 }],
    ["revision", "1000", { mode: "revision", retention: 1000 }],
    ["revision", "0", { mode: "off", retention: 0 }],
    ["periodic", "0", { mode: "off", retention: 0 }],
    ["periodic", "", undefined],
  ])("mode %j with retention %j is parsed as etcd does", (mode, retention, expected) => {
    const flags = { "auto-compaction-mode": mode, "auto-compaction-retention": retention };
    expect(options(flags).autoCompaction).toEqual(expected);
  });

  test("an unknown mode is refused with etcd's error text", () => {
    expect(() => options({ "auto-compaction-mode": "x" })).toThrow('unknown auto-compaction-mode "x"');
  });
});

test.each([
  [{ "max-txn-ops": "0" }, "max-txn-ops is 1 or more, not 0"],
  [{ "max-txn-ops": "-3" }, "max-txn-ops is 1 or more, not -3"],
  [{ "max-request-bytes": "1k" }, 'max-request-bytes is a whole number, not "1k"'],
  [{ "max-watchers": "1e9" }, 'max-watchers is a whole number, not "1e9"'],
  [{ "strict-reconfig-check": "yes" }, 'strict-reconfig-check is true or false, not "yes"'],
  [{ "corrupt-check-time": "5" }, 'invalid duration "5"; one looks like 1h30m'],
  [{ "watch-progress-notify-interval": "0" }, "watch-progress-notify-interval is 100ms or more, not 0"],
  [{ "auto-compaction-retention": "-1h" }, 'invalid duration "-1h"; one looks like 1h30m'],
  [
    { "auto-compaction-mode": "revision", "auto-compaction-retention": "1h" },
    'auto-compaction-retention is a number of revisions, not "1h"',
  ],
])("an invalid value is refused with a message: %j", (flags, message) => {
  expect(() => options(flags)).toThrow(message);
});

test("durations are parsed as Go's", () => {
  expect(["1h", "1.5h", "1h30m5s", "300ms", "1us", "0"].map(durationMs)).toEqual([
    3_600_000, 5_400_000, 5_405_000, 300, 0.001, 0,
  ]);
});

test("a flag's variable is its name in upper case", () => {
  expect(variableOf("max-txn-ops")).toBe("MAX_TXN_OPS");
  expect(new Set(MEMBER_FLAG_NAMES.map(variableOf)).size).toBe(MEMBER_FLAG_NAMES.length);
});
