/** The worker's log: what an operator is told, and that nobody's data is in it. */
import { afterEach, expect, test, vi } from "vitest";
import { call, create } from "../support/clusters-kit.ts";
import { edge, kill, leaderNumber, put, stubOf } from "../support/edge-kit.ts";

interface Line {
  readonly quorate?: string;
  readonly cluster?: string;
  readonly member?: number;
}

const printed: string[] = [];
for (const level of ["log", "error", "warn", "info", "debug"] as const) {
  vi.spyOn(console, level).mockImplementation((...words: unknown[]) => void printed.push(words.map(String).join(" ")));
}

afterEach(() => {
  printed.length = 0;
});

function lines(event: string): readonly Line[] {
  return printed.map((text) => JSON.parse(text) as Line).filter(({ quorate }) => quorate === event);
}

async function until(event: string): Promise<readonly Line[]> {
  for (;;) {
    await edge("/health").then((response) => response.text());
    if (lines(event).length > 0) return lines(event);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

test("elections: the first one, and the one after its leader was lost", async () => {
  await put("a", "b");
  expect(await until("leader-elected")).toMatchObject([{ cluster: "quorate", term: expect.any(Number) as number }]);
  const first = await leaderNumber();
  printed.length = 0;
  await kill(first);
  await put("a", "c");
  const [elected] = await until("leader-elected");
  expect([elected?.member, elected?.cluster]).toEqual([await leaderNumber(), "quorate"]);
});

test("alarms and refused peers are told once", async () => {
  await call("", "/v3/maintenance/alarm", { action: "ACTIVATE", alarm: "NOSPACE", memberID: "0" });
  expect((await until("alarm-raised"))[0]).toMatchObject({ alarm: "NOSPACE" });
  await call("", "/v3/maintenance/alarm", { action: "DEACTIVATE", alarm: "NOSPACE", memberID: "0" });
  await until("alarm-cleared");
});

test("no line has a key, a value, a password or a token, also when calls fail", async () => {
  await create("quiet");
  const secret = "S3CR3T";
  for (const base of ["", "/c/quiet"]) {
    await call(base, "/v3/kv/put", { key: btoa(`${secret}/key`), value: btoa(`${secret} value`) });
    await call(base, "/v3/kv/range", { key: btoa(`${secret}/key`) }, `${secret}.token`);
    await call(base, "/v3/kv/txn", { compare: [{ key: btoa(secret), target: "BAD" }] });
    await call(base, "/v3/auth/user/add", { name: "root", password: secret });
    await call(base, "/v3/auth/authenticate", { name: secret, password: secret });
    await (await edge(`${base}/kv/${secret}`, { method: "PUT", body: secret })).text();
    await (await edge(`${base}/${secret}?token=${secret}`)).text();
  }
  await kill(1);
  await (await stubOf(1).fetch(`http://edge/kv/${secret}`)).text();
  await call("/c/quiet", "/quorate/clusters/delete", {});
  expect(lines("cluster-created").length).toBe(1);
  expect(printed.filter((text) => text.includes(secret) || text.includes(btoa(secret).slice(0, 6)))).toEqual([]);
  // Each line is one of JSON.
  expect(printed.every((text) => typeof (JSON.parse(text) as Line).quorate === "string")).toBe(true);
});
