/** Locks and elections, with callers that wait and callers that go away. */
import type { Step } from "../steps.ts";
import { base64, call, tokenOf } from "./world.ts";
import type { World } from "./world.ts";

/**
 * With authentication on nobody waits here: within an etcd all who wait share one watch stream, with the rights of whoever
 * opened it.
 */
const WAITING_MAX = 4;
const OWN_LEASE = { low: 2000, high: 2006 } as const;

export function drawLock(world: World): readonly Step[] {
  const { prng } = world;
  const dice = prng.next();
  if (dice < 0.2) return [grant(world)];
  if (dice < 0.5) return waiting(world, "lock", "/v3/lock/lock", { name: lockName(world), lease: lease(world) });
  if (dice < 0.8) return [call("/v3/lock/unlock", { key: lockKey(world) })];
  if (dice < 0.85) return [call("/v3/lock/lock", { name: lockName(world), lease: prng.pick(["404", "-1"]) })];
  if (dice < 0.9) return serverLease(world);
  return gone(world);
}

export function drawElection(world: World): readonly Step[] {
  const { prng } = world;
  const dice = prng.next();
  const name = base64(prng.pick(["e1", "e2"]));
  if (dice < 0.15) return [grant(world)];
  if (dice < 0.4) {
    return waiting(world, "campaign", "/v3/election/campaign", {
      name,
      lease: lease(world),
      value: base64(`${prng.int(0, 9)}`),
    });
  }
  if (dice < 0.55) return [call("/v3/election/leader", prng.bool(0.05) ? {} : { name })];
  if (dice < 0.7) return [call("/v3/election/proclaim", { ...leaderOf(world), value: base64(`p${prng.int(0, 9)}`) })];
  if (dice < 0.85) return [call("/v3/election/resign", leaderOf(world))];
  if (dice < 0.93) return observe(world, name);
  return gone(world);
}

function waiting(world: World, kind: string, path: string, body: Readonly<Record<string, unknown>>): readonly Step[] {
  if (world.waiting.length >= WAITING_MAX || world.authOn) return gone(world);
  const name = world.name(kind);
  world.waiting.push(name);
  const saves: Record<string, string> =
    kind === "lock" ? { [`${name}key`]: "key" } : { [`${name}key`]: "leader.key", [`${name}rev`]: "leader.rev" };
  if (kind === "lock") world.held.push(`\${${name}key}`);
  else
    world.elected.push(
      JSON.stringify({ name: body["name"], lease: body["lease"], key: `\${${name}key}`, rev: `\${${name}rev}` }),
    );
  return [{ type: "begin", name, path, body: JSON.stringify(body), saves }, { type: "sync" }];
}

/** Keys of both kinds: such as were given, and such as somebody guesses. */
function lockKey(world: World): string {
  const { prng, held } = world;
  const at = held.length === 0 || prng.bool(0.1) ? -1 : prng.int(0, held.length);
  if (at < 0) return base64(`${prng.pick(["l1", "l2"])}/${(2000 + prng.int(0, 6)).toString(16)}`);
  return held.splice(at, 1)[0] as string;
}

function leaderOf(world: World): Readonly<Record<string, unknown>> {
  const { prng, elected } = world;
  if (elected.length === 0 || prng.bool(0.1)) {
    return prng.pick<Record<string, unknown>>([
      {},
      { leader: {} },
      { leader: { name: base64("e1"), key: base64("e1/7d0"), rev: "1", lease: "2000" } },
      { leader: { name: base64("e1"), key: base64("e1/7d0"), rev: "1", lease: "404" } },
    ]);
  }
  return { leader: JSON.parse(prng.pick(elected)) };
}

/** A lease of the server's, whose id is in the lock's key. */
function serverLease(world: World): readonly Step[] {
  // Who may not unlock would leave a lease of 60 s behind.
  if (world.authOn) return [];
  const name = world.name("once");
  return [
    call("/v3/lock/lock", { name: base64(name) }, { saves: { [name]: "key" } }),
    call("/v3/kv/range", { key: base64(`${name}/`), range_end: base64(`${name}0`), keys_only: true, count_only: true }),
    call("/v3/lock/unlock", { key: `\${${name}}` }),
  ];
}

function observe(world: World, name: string): readonly Step[] {
  const stream = world.name("observe");
  if (world.authOn) return [];
  if (world.otherStreams.length > 1) {
    return world.otherStreams.splice(0).flatMap((old): Step[] => [{ type: "sync" }, { type: "close", name: old }]);
  }
  world.otherStreams.push(stream);
  return [
    { type: "open", name: stream, path: "/v3/election/observe", body: JSON.stringify({ name }), ...tokenOf(world) },
    { type: "sync" },
  ];
}

function gone(world: World): readonly Step[] {
  const name = world.waiting.shift();
  return name === undefined ? [] : [{ type: "sync" }, { type: "abandon", name }, { type: "sync" }];
}

function grant({ prng }: World): Step {
  return call("/v3/lease/grant", { TTL: 3600, ID: prng.int(OWN_LEASE.low, OWN_LEASE.high) });
}

function lease({ prng }: World): number {
  return prng.int(OWN_LEASE.low, OWN_LEASE.high);
}

function lockName({ prng }: World): string {
  return prng.bool(0.04) ? "" : base64(prng.pick(["l1", "l2"]));
}
