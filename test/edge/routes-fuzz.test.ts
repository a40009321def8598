/**
 * The router against paths, hosts and headers that a seed makes up. `ROUTE_CASES=1000000 npx vitest run --project core
 * test/edge/routes-fuzz.test.ts` tries a million; ROUTE_SEED tries others.
 */
import { getPath } from "hono/utils/url";
import { expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { addressed, addressOf, withPath } from "../../worker/common/address.ts";
import { clusterPathOf } from "../../worker/common/cluster-path.ts";
import { routeOf } from "../../worker/common/routes.ts";

const CASES = Number(process.env["ROUTE_CASES"] ?? 60_000);
const SEED = BigInt(process.env["ROUTE_SEED"] ?? 6);

/** What members are asked for, said a second time and in another form than in the table. */
const PUBLIC =
  /^\/(?:(?:v3|v3beta|kv|livez|readyz|quorate\/v1)\/.*|health|livez|readyz|version|metrics|kv|quorate\/status)$|^\/+v3(?:\/|$)/s;

const PIECES = [
  ..."v3 v3beta kv m 1 2 14 0 raft restoring ask quorate restore begin status v1 carrier peerjs room livez readyz health".split(
    " ",
  ),
  ..."metrics version range put member .. . %2e%2e %2E. .%2e %2f %5c %252e %00 %0d%0a %zz % ;a .; ~ a.b é \u{1f600} # ? @ :".split(
    " ",
  ),
  "x".repeat(300),
];
const BEGINNINGS = [
  "",
  "",
  "",
  "/m/1",
  "/m/14/kv",
  "/m/2/v3",
  "/kv",
  "/v3/kv",
  "/quorate/restore",
  "/peerjs",
  "/livez",
  "/c",
  "/c/acme",
  "/c/acme/m/2",
  "/c/Acme.x/v3",
  "/c/a%62/v3",
  "/c/acme/c/other",
  "/quorate/clusters",
];
const SEPARATORS = ["/", "/", "/", "/", "/", "/", "\\", "//", "%2f", ""];
const HOSTS = ["edge", "127.0.0.1:8787", "[::1]:1", "member", "A.Example.:80"];
const BAD_HOSTS = [
  "a, b",
  "a/b",
  "a?b",
  "a#b",
  "u@a",
  "a\\b",
  "member/raft?",
  "",
  "127.1",
  "a:99999",
  "<x>",
  "%6d",
  "a b",
];
const HEADERS = [
  "x-quorate-leader",
  "x-quorate-members",
  "x-quorate-unavailable",
  "x-original-url",
  "x-forwarded-host",
];

/** As workerd makes it: the target as it was sent, behind whatever the Host headers say. Node's own would tidy it up. */
class RawRequest {
  readonly url: string;
  readonly headers: Headers;

  constructor(url: string, headers: Headers) {
    this.url = url;
    this.headers = headers;
  }
}

function drawn(prng: Prng): RawRequest {
  const one = <T>(from: readonly T[]): T => from[prng.int(0, from.length)] as T;
  let target = one(BEGINNINGS);
  for (let left = prng.int(1, 8); left > 0; left--) target += one(SEPARATORS) + one(PIECES);
  if (!target.startsWith("/")) target = `/${target}`;
  if (prng.int(0, 4) === 0) target += `?${one(PIECES)}=${one(PIECES)}`;
  const host = one(prng.int(0, 8) === 0 ? BAD_HOSTS : HOSTS);
  const headers = new Headers();
  // Where a request is made inside, it has no such header.
  if (prng.int(0, 3) > 0) headers.set("host", host);
  if (prng.int(0, 3) === 0) headers.set(one(HEADERS), one(PIECES.slice(0, 20)));
  return new RawRequest(`http://${host}${target}`, headers);
}

function kindOf(place: ReturnType<typeof clusterPathOf>): string {
  if (place.type === "bad-name" || place.type === "unfinished") return place.type;
  const { type } = routeOf(place.path);
  return place.type === "named" ? `named ${type}` : type;
}

function isTidy(path: string): boolean {
  return path.startsWith("/") && !path.includes("\\") && !/(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i.test(path);
}

test(`${CASES} requests reach public routes only, and everybody behind the router sees the path that it judged`, () => {
  const prng = new Prng(SEED);
  const reached = new Map<string, number>();
  for (let at = 0; at < CASES; at++) {
    const raw = drawn(prng);
    const received = `${raw.url} ${JSON.stringify([...raw.headers])}`;
    const address = addressOf(raw as unknown as Request);
    const place = address === undefined ? undefined : clusterPathOf(address.path);
    const type = place === undefined ? "no host" : kindOf(place);
    reached.set(type, (reached.get(type) ?? 0) + 1);
    if (address === undefined || place === undefined) {
      if (BAD_HOSTS.every((host) => !raw.url.startsWith(`http://${host}`) && raw.headers.get("host") !== host)) {
        throw new Error(`refused for no reason: ${received}`);
      }
      continue;
    }
    if (!isTidy(address.path)) throw new Error(`not tidy: ${address.path} of ${received}`);
    // What begins with "/c/" is never the first cluster's, and a name is one by itself, without an escape.
    if (address.path.startsWith("/c/") !== (place.type !== "first")) throw new Error(`of which cluster? ${received}`);
    if (place.type === "bad-name" || place.type === "unfinished") continue;
    if (place.type === "named" && !/^\/c\/[A-Za-z0-9][\w.-]{0,62}$/.test(place.base))
      throw new Error(`no name: ${received}`);
    if (place.type === "named" && place.base + place.path !== address.path) throw new Error(`cut: ${received}`);
    const route = routeOf(place.path);
    const path = route.type === "member" ? route.path : place.path;
    const seen = path === address.path ? address : withPath(address, path);
    const handed = addressed(raw as unknown as Request, seen);
    if (new URL(handed.url).pathname !== path || seen.path !== path) throw new Error(`another path: ${received}`);
    if (route.type !== "member" && route.type !== "any-member") continue;
    if (!PUBLIC.test(path)) throw new Error(`${path} is not public: ${received}`);
    // The gateway's router reads percent signs once more.
    if (!PUBLIC.test(getPath(handed))) throw new Error(`${getPath(handed)} is not public: ${received}`);
  }
  // Each kind was tried, so the draws are no empty exercise.
  const kinds = [
    "any-member",
    "member",
    "restore",
    "clusters",
    "signalling",
    "asset",
    "nowhere",
    "no host",
    "bad-name",
  ];
  for (const type of [...kinds, "unfinished", "named any-member", "named member"]) {
    expect([type, (reached.get(type) ?? 0) > CASES / 1_000]).toEqual([type, true]);
  }
});
