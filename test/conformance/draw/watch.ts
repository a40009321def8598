/** Watches: several streams with several watches each, while everything else goes on beside. */
import type { Step } from "../steps.ts";
import { base64, drawEnd, drawKey, drawRevision, tokenOf } from "./world.ts";
import type { Json, OpenWatches, World } from "./world.ts";

const STREAMS_MAX = 3;
const WATCHES_MAX = 12;

export function drawWatch(world: World): readonly Step[] {
  const { prng, watches } = world;
  if (world.authOn && (watches.length === 0 || prng.bool(0.3))) return asSomebody(world);
  const dice = prng.next();
  if (watches.length === 0 || (dice < 0.12 && watches.length < STREAMS_MAX)) return [opened(world), ...created(world)];
  if (dice < 0.6) return created(world);
  if (dice < 0.8) return cancel(world);
  if (dice < 0.9) return closed(world);
  return dice < 0.94 ? overHttp(world) : harmless(world);
}

/**
 * With authentication on, only root watches for long: others may lose their permission, which etcd would not notice, and
 * Quorate does.
 */
function asSomebody(world: World): readonly Step[] {
  const root = world.tokens.get("root");
  if (root !== undefined && world.watches.length < STREAMS_MAX && world.prng.bool(0.4)) {
    const stream = { name: world.name("watch"), created: 0 };
    world.watches.push(stream);
    return [{ type: "open", name: stream.name, path: "/v3/watch", token: `\${${root}}` }, ...created(world)];
  }
  const name = world.name("watch");
  const requests = Array.from({ length: world.prng.int(1, 4) }, (): Step => {
    return { type: "send", name, text: JSON.stringify({ create_request: drawCreate(world) }) };
  });
  const open: Step = { type: "open", name, path: "/v3/watch", ...tokenOf(world) };
  return [open, ...requests, { type: "sync" }, { type: "close", name }];
}

function opened(world: World): Step {
  const stream = { name: world.name("watch"), created: 0 };
  world.watches.push(stream);
  return { type: "open", name: stream.name, path: "/v3/watch", ...tokenOf(world) };
}

function created(world: World): readonly Step[] {
  const { prng } = world;
  const stream = prng.pick(world.watches);
  if (stream.created >= WATCHES_MAX) return closed(world);
  const request = drawCreate(world);
  stream.created++;
  // So that the answer tells of the revision at which it was made, whatever follows.
  return [send(stream, { create_request: request }), { type: "sync" }];
}

function drawCreate(world: World): Json {
  const { prng, revision, compacted } = world;
  const create: Json = {};
  if (!prng.bool(0.05)) create["key"] = prng.bool(0.1) ? base64("\0") : drawKey(prng);
  if (prng.bool(0.6)) create["range_end"] = drawEnd(prng);
  if (prng.bool(0.5)) {
    create["start_revision"] = prng.pick<unknown>([
      ...[Math.max(revision - prng.int(0, 30), 1), revision, revision + 1, revision + 3, 1, compacted, compacted + 1],
      ...[drawRevision(world), 0, -1],
    ]);
  }
  if (prng.bool(0.3)) {
    create["filters"] = prng.pick<unknown>([
      ["NOPUT"],
      ["NODELETE"],
      ["NOPUT", "NODELETE"],
      [0],
      [1, 1],
      [],
      ["WHAT"],
      [7],
    ]);
  }
  if (prng.bool(0.4)) create["prev_kv"] = true;
  if (prng.bool(0.2)) create["progress_notify"] = true;
  if (prng.bool(0.2)) create["fragment"] = true;
  if (prng.bool(0.2)) create["watch_id"] = prng.pick<unknown>([0, 1, 2, "5", 7, 100, -1, -3, "9007199254740991"]);
  return create;
}

function cancel(world: World): readonly Step[] {
  const { prng } = world;
  const id = prng.pick<unknown>([0, 1, 2, 3, "1", 5, 7, -1, 99]);
  return [{ type: "sync" }, send(prng.pick(world.watches), { cancel_request: { watch_id: id } }), { type: "sync" }];
}

function closed(world: World): readonly Step[] {
  const at = world.prng.int(0, world.watches.length);
  const [stream] = world.watches.splice(at, 1);
  return stream === undefined ? [] : [{ type: "sync" }, { type: "close", name: stream.name }];
}

/** Requests that ask for nothing. Those that etcd cannot read are a quirk of their own. */
function harmless(world: World): readonly Step[] {
  const { prng, watches } = world;
  const texts = ["{}", '{"unknown":1}', '{"create_request":null}', '{"progress_request":{}}', '{"cancel_request":{}}'];
  return [{ type: "send", name: prng.pick(watches).name, text: prng.pick(texts) }, { type: "sync" }];
}

/** All that is asked at once, over HTTP, where etcd cannot be asked for progress later. */
function overHttp(world: World): readonly Step[] {
  const name = world.name("lines");
  const messages = Array.from({ length: world.prng.int(1, 4) }, () =>
    JSON.stringify({ create_request: drawCreate(world) }),
  );
  const body = messages.join(world.prng.pick(["", "\n"]));
  return [
    { type: "open", name, path: "/v3/watch", body, ...tokenOf(world) },
    { type: "sync" },
    { type: "call", path: "/v3/kv/put", body: JSON.stringify({ key: drawKey(world.prng), value: "bGluZXM=" }) },
    { type: "sync" },
    { type: "close", name },
  ];
}

function send(stream: OpenWatches, message: Json): Step {
  return { type: "send", name: stream.name, text: JSON.stringify(message) };
}
