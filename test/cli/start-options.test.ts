import { expect, test } from "vitest";
import { hostRefusal, hostsOf } from "../../src/gateway/http/hosts.ts";
import { LOOPBACK_ORIGINS } from "../../src/gateway/http/origins.ts";
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

test.each([
  [{}, [], true],
  [{ HOST: "localhost" }, [], true],
  [{ HOST: "::1" }, [], true],
  [{ HOST: "127.8.0.1" }, [], true],
  [{}, ["--closed"], false],
  [{ HOST: "0.0.0.0" }, [], false],
  [{ HOST: "192.0.2.7" }, [], false],
  [{ HOST: "127.evil.example" }, [], false],
  [{ HOST: "0.0.0.0" }, ["--open"], true],
])("%j with %j lets everybody in: %s", (env, argv, isOpen) => {
  expect(startOptions(argv, env).isOpen).toBe(isOpen);
});

test("the setup token is given, or the environment's; a short one is refused", () => {
  const SETUP_TOKEN = "of the environment";
  expect(startOptions([], {}).setupToken).toBeUndefined();
  expect(startOptions([], { SETUP_TOKEN }).setupToken).toBe(SETUP_TOKEN);
  expect(startOptions(["--setup-token", "of the command line"], { SETUP_TOKEN }).setupToken).toBe(
    "of the command line",
  );
  expect(() => startOptions(["--setup-token", "15 letters long"], {})).toThrow("at least 16 characters");
});

test("origins may be given more than once, with commas, or in the environment", () => {
  const of = (argv: readonly string[], env = {}): string => startOptions(argv, env).allowedOrigins;

  expect(of(["--allow-origin", "https://a.example", "--allow-origin=https://b.example,https://c.example"])).toBe(
    "https://a.example,https://b.example,https://c.example",
  );
  expect(of([], { ALLOWED_ORIGINS: "*" })).toBe("*");
  expect(of(["--allow-origin", ""], { ALLOWED_ORIGINS: "*" })).toBe("");
});

test("by default, pages of this machine may call a server of this machine, and only its own pages another", () => {
  expect(startOptions([], {}).allowedOrigins).toBe(LOOPBACK_ORIGINS);
  expect(startOptions([], { HOST: "::1" }).allowedOrigins).toBe(LOOPBACK_ORIGINS);
  expect(startOptions([], { HOST: "0.0.0.0" }).allowedOrigins).toBe("");
});

test("by default, a server of this machine responds only to its own names; a flag allows others", () => {
  const of = (argv: readonly string[], env: Record<string, string>): string => startOptions(argv, env).hostWhitelist;
  const answers = (setting: string, host: string): boolean =>
    hostRefusal(new Request("http://edge", { headers: { host } }), hostsOf(setting)) === undefined;
  const given = ["--host-whitelist", "a.example", "--host-whitelist=b.example,c.example"];

  for (const env of [{}, { HOST: "127.0.0.5" }, { HOST: "::1" }, { HOST: "0.0.0.0" }, { HOST: "::" }]) {
    expect(answers(of([], env), "localhost:8787")).toBe(true);
    expect(answers(of([], env), "evil.example:8787")).toBe(false);
    expect(["b.example", "localhost", "evil.example"].map((host) => answers(of(given, env), host))).toEqual([
      true,
      true,
      false,
    ]);
    expect(answers(of(["--host-whitelist", "*"], env), "evil.example")).toBe(true);
  }
  expect([of([], {}), of([], { HOST_WHITELIST: "a.example" })]).toEqual(["127.0.0.1,", "127.0.0.1,a.example"]);
  expect(answers(of([], {}), "192.168.1.5")).toBe(false);
  expect(answers(of([], { HOST: "127.0.0.5" }), "127.0.0.5:8787")).toBe(true);
  expect(answers(of([], { HOST: "0.0.0.0" }), "192.168.1.5")).toBe(true);
  expect(answers(of([], { HOST: "my.host" }), "my.host")).toBe(true);
});

test("a flag or the environment sets which pages may frame the page", () => {
  expect(startOptions(["--frame-ancestors", "https://a.example", "--frame-ancestors=self"], {}).frameAncestors).toBe(
    "https://a.example,self",
  );
  expect(startOptions([], { FRAME_ANCESTORS: "self" }).frameAncestors).toBe("self");
  expect(startOptions([], {}).frameAncestors).toBeUndefined();
});

test.each([
  [["--max-txn-ops", "0"], "max-txn-ops is 1 or more, not 0"],
  [["--auto-compaction-mode", "hourly"], 'unknown auto-compaction-mode "hourly"'],
  [["--max-request-bytes", "2000000"], "max-request-bytes is at most 1900000 at the edge"],
  [["--allow-origin", "a.example"], '"a.example" is no origin'],
  [["--frame-ancestors", "a.example"], '"a.example" is no origin'],
  [["--host-whitelist", "a.example:80"], '"a.example:80" is no host name'],
])("what a worker could not start with is refused before it starts: %j", (argv, message) => {
  expect(() => startOptions(argv, {})).toThrow(message);
});
