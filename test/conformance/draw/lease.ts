/** Leases: with ids of the client's choice, so that both servers have the same, and now and then of the server's. */
import type { Step } from "../steps.ts";
import { call, drawKey, drawLease } from "./world.ts";
import type { World } from "./world.ts";

const LEASES_MAX = 12;

export function drawLeases(world: World): readonly Step[] {
  const { prng } = world;
  const dice = prng.next();
  if (dice < 0.35) return [grant(world)];
  if (dice < 0.5) return [revoke(world)];
  if (dice < 0.7) return [timeToLive(world)];
  if (dice < 0.8) return [call(prng.bool(0.8) ? "/v3/lease/leases" : "/v3/kv/lease/leases", {})];
  if (dice < 0.93) return keepAlive(world);
  if (dice < 0.985) return [put(world)];
  return world.authOn ? [put(world)] : expiry(world);
}

function grant(world: World): Step {
  const { prng, leases } = world;
  // Short ones end while nobody looks; those have a step of their own.
  const ttl = prng.pick<unknown>([3600, 7200, "5000", 100_000, 9_000_000_000, 9_000_000_001, "9223372036854775807"]);
  if (prng.bool(0.1) && leases.length < LEASES_MAX) {
    const name = world.name("lease");
    leases.push(`\${${name}}`);
    return call("/v3/lease/grant", { TTL: ttl === 9_000_000_001 ? 4000 : ttl }, { saves: { [name]: "ID" } });
  }
  const id = prng.pick<unknown>([
    prng.int(1000, 1040),
    prng.int(1000, 1040),
    prng.int(1000, 1040),
    -5,
    "9223372036854775807",
  ]);
  if (leases.length < LEASES_MAX && !leases.includes(String(id))) leases.push(String(id));
  return call("/v3/lease/grant", { TTL: ttl, ID: id });
}

function revoke(world: World): Step {
  const id = drawLease(world);
  const at = world.leases.indexOf(id);
  if (at >= 0 && world.prng.bool(0.9)) world.leases.splice(at, 1);
  return call(world.prng.bool(0.8) ? "/v3/lease/revoke" : "/v3/kv/lease/revoke", { ID: id });
}

function timeToLive(world: World): Step {
  const { prng } = world;
  const path = prng.bool(0.8) ? "/v3/lease/timetolive" : "/v3/kv/lease/timetolive";
  return call(path, prng.bool(0.7) ? { ID: drawLease(world), keys: true } : { ID: drawLease(world) });
}

function put(world: World): Step {
  return call("/v3/kv/put", { key: drawKey(world.prng), value: "bGVhc2Vk", lease: drawLease(world) });
}

/** Over HTTP, where all keep-alives come first, and over a WebSocket. */
function keepAlive(world: World): readonly Step[] {
  const { prng } = world;
  const keepAlives = Array.from({ length: prng.int(1, 4) }, () => JSON.stringify({ ID: drawLease(world) }));
  if (prng.bool(0.6)) {
    if (prng.bool(0.2)) keepAlives.push(prng.pick(["{}", "{", '{"ID":[]}', '{"id":1}', "x"]));
    return [{ type: "call", path: "/v3/lease/keepalive", body: keepAlives.join(prng.pick(["", "\n", " "])) }];
  }
  const name = world.name("beats");
  const sent = keepAlives.map((text): Step => ({ type: "send", name, text }));
  return [{ type: "open", name, path: "/v3/lease/keepalive" }, ...sent, { type: "sync" }, { type: "close", name }];
}

/** The shortest lease there is, with keys, until it has run out. */
function expiry(world: World): readonly Step[] {
  const lease = String(world.prng.int(1, 1_000_000) + 5_000_000);
  const keys = Array.from({ length: world.prng.int(0, 4) }, () => drawKey(world.prng));
  return [
    call("/v3/lease/grant", { TTL: world.prng.pick([0, 1, 2, -4]), ID: lease }),
    ...keys.map((key) => call("/v3/kv/put", { key, lease })),
    { type: "expire", lease },
    call("/v3/lease/timetolive", { ID: lease, keys: true }),
    call("/v3/kv/range", { key: "AA==", range_end: "AA==" }),
  ];
}
