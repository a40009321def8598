/** Users, roles, permissions, tokens; and authentication that is on for a while in the middle of everything else. */
import type { Step } from "../steps.ts";
import { call, drawEnd, drawKey } from "./world.ts";
import type { Json, World } from "./world.ts";

const USERS = ["root", "amy", "bob", "eve"];
const ROLES = ["root", "reader", "writer", "r3"];

/** With authentication on, this often it is turned off again. */
const DISABLE_CHANCE = 0.02;

export function drawAuth(world: World): readonly Step[] {
  const { prng } = world;
  const dice = prng.next();
  if (dice < 0.85) return drawAdministration(world);
  if (dice < 0.9) return [call(world.authOn ? "/v3/auth/enable" : "/v3/auth/disable", {})];
  if (world.authOn)
    return prng.bool(DISABLE_CHANCE * 10) ? [call("/v3/auth/disable", {})] : authenticate(world, "root");
  return turnOn(world);
}

/** What turns nothing on or off. */
export function drawAdministration(world: World): readonly Step[] {
  const dice = world.prng.next();
  if (dice < 0.3) return authenticate(world, user(world));
  if (dice < 0.6) return [call(...users(world))];
  if (dice < 0.95) return [call(...roles(world))];
  return [call("/v3/auth/status", {})];
}

/** Headers of a call: as whom, as nobody, or with what is no token. */
export function drawHeaders(world: World): Readonly<Record<string, string>> | undefined {
  const { prng, tokens, authOn } = world;
  if (!authOn && !prng.bool(0.02)) return undefined;
  const dice = prng.next();
  if (dice < 0.06) return undefined;
  if (dice < 0.09) return { authorization: prng.pick(["nobody.1", "Bearer x", "a b"]) };
  const root = tokens.get("root");
  const name = dice < 0.6 && root !== undefined ? root : tokens.size > 0 ? prng.pick([...tokens.values()]) : undefined;
  if (name === undefined) return undefined;
  const header = prng.bool(0.9) ? "authorization" : "grpc-metadata-token";
  return { [header]: `${prng.bool(0.2) ? "Bearer " : ""}\${${name}}` };
}

function turnOn(world: World): readonly Step[] {
  const waiting = world.waiting.splice(0).map((name): Step => ({ type: "abandon", name }));
  const open = [...world.otherStreams.splice(0), ...world.watches.splice(0).map(({ name }) => name)];
  const streams = open.map((name): Step => ({ type: "close", name }));
  return [
    ...(waiting.length + streams.length > 0 ? [{ type: "sync" } as const, ...waiting, ...streams] : []),
    call("/v3/auth/user/add", { name: "root", password: "root" }),
    call("/v3/auth/user/changepw", { name: "root", password: "root" }),
    call("/v3/auth/role/add", { name: "root" }),
    call("/v3/auth/user/grant", { user: "root", role: "root" }),
    call("/v3/auth/user/add", { name: "amy", password: "amy" }),
    call("/v3/auth/user/add", { name: "bob", options: { no_password: true } }),
    call("/v3/auth/role/add", { name: "reader" }),
    call("/v3/auth/role/grant", grantOf(world, "reader")),
    call("/v3/auth/user/grant", { user: "amy", role: "reader" }),
    call("/v3/auth/enable", {}),
    ...authenticate(world, "root"),
    ...authenticate(world, "amy"),
  ];
}

function authenticate(world: World, name: string): readonly Step[] {
  const { prng } = world;
  const token = world.name("token");
  const password = prng.bool(0.9) ? name : prng.pick(["", "wrong", "root"]);
  if (password === name && name !== "" && name !== "nobody") world.tokens.set(name, token);
  return [call("/v3/auth/authenticate", { name, password }, { saves: { [token]: "token" } })];
}

function users(world: World): [path: string, body: Json] {
  const { prng } = world;
  const name = user(world);
  const dice = prng.next();
  if (dice < 0.25) return ["/v3/auth/user/add", drawUser(world, name)];
  if (dice < 0.4) return ["/v3/auth/user/get", { name }];
  if (dice < 0.5) return ["/v3/auth/user/list", {}];
  if (dice < 0.55) return ["/v3/auth/user/delete", { name }];
  if (dice < 0.65) return ["/v3/auth/user/changepw", { name, password: prng.bool(0.8) ? name : "" }];
  if (dice < 0.9) return ["/v3/auth/user/grant", { user: name, role: role(world) }];
  return ["/v3/auth/user/revoke", { name, role: role(world) }];
}

function drawUser({ prng }: World, name: string): Json {
  const dice = prng.next();
  if (dice < 0.6) return { name, password: name };
  if (dice < 0.75) return { name, options: { no_password: true } };
  if (dice < 0.85) return { name, password: name, options: { no_password: true } };
  if (dice < 0.95) return { name };
  return { name, password: name, options: {} };
}

function roles(world: World): [path: string, body: Json] {
  const { prng } = world;
  const name = role(world);
  const dice = prng.next();
  if (dice < 0.15) return ["/v3/auth/role/add", { name }];
  if (dice < 0.35) return ["/v3/auth/role/get", { role: name }];
  if (dice < 0.42) return ["/v3/auth/role/list", {}];
  if (dice < 0.48) return ["/v3/auth/role/delete", { role: name }];
  if (dice < 0.8) return ["/v3/auth/role/grant", grantOf(world, name)];
  const revoked: Json = { role: name };
  if (!prng.bool(0.05)) revoked["key"] = drawKey(prng);
  if (prng.bool(0.5)) revoked["range_end"] = drawEnd(prng);
  return ["/v3/auth/role/revoke", revoked];
}

function grantOf({ prng }: World, name: string): Json {
  if (prng.bool(0.03)) return { name };
  const perm: Json = { permType: prng.pick<unknown>(["READ", "WRITE", "READWRITE", 0, 1, 2, 7]) };
  if (!prng.bool(0.05)) perm["key"] = drawKey(prng);
  if (prng.bool(0.6)) perm["range_end"] = drawEnd(prng);
  return { name, perm };
}

function user({ prng }: World): string {
  return prng.bool(0.06) ? prng.pick(["", "nobody"]) : prng.pick(USERS);
}

function role({ prng }: World): string {
  return prng.bool(0.06) ? prng.pick(["", "norole"]) : prng.pick(ROLES);
}
