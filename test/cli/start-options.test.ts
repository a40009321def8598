import { expect, test } from "vitest";
import { HELP, startOptions } from "../../worker/local/options.ts";

test("npm start takes the members' flags, and the environment's where none is given", () => {
  const given = startOptions(["--max-txn-ops", "7", "--auto-compaction-retention=1h"], {
    MAX_TXN_OPS: "9",
    MAX_WATCHERS: "10",
  });

  expect(given.memberVars).toEqual({ MAX_TXN_OPS: "7", AUTO_COMPACTION_RETENTION: "1h", MAX_WATCHERS: "10" });
  expect(startOptions([], {}).memberVars).toEqual({});
  expect(HELP).toContain("--auto-compaction-retention N");
  // However long a name is, its explanation stands apart from it.
  expect(HELP).toMatch(/--watch-progress-notify-interval TIME {2,}time between/);
});

test("origins may be given more than once, with commas, or in the environment", () => {
  const of = (argv: readonly string[], env = {}): string | undefined => startOptions(argv, env).allowedOrigins;

  expect(of(["--allow-origin", "https://a.example", "--allow-origin=https://b.example,https://c.example"])).toBe(
    "https://a.example,https://b.example,https://c.example",
  );
  expect(of([], { ALLOWED_ORIGINS: "*" })).toBe("*");
  expect(of(["--allow-origin", ""], { ALLOWED_ORIGINS: "*" })).toBe("");
  expect(of([])).toBeUndefined();
});

test.each([
  [["--max-txn-ops", "0"], "max-txn-ops is 1 or more, not 0"],
  [["--auto-compaction-mode", "hourly"], 'unknown auto-compaction-mode "hourly"'],
  [["--max-request-bytes", "2000000"], "max-request-bytes is at most 1900000 at the edge"],
  [["--allow-origin", "a.example"], '"a.example" is no origin'],
])("what a worker could not start with is refused before it starts: %j", (argv, message) => {
  expect(() => startOptions(argv, {})).toThrow(message);
});
