/** Requests that are wrong, a little or altogether: any drawn request with a blow, and some that no blow would make. */
import { PATHS } from "./paths.ts";
import type { Step } from "../steps.ts";
import type { Json, World } from "./world.ts";

type CallStep = Step & { readonly type: "call" };

/** `steps` are any that could be sent; the first call among them is spoilt. */
export function drawBroken(world: World, steps: readonly Step[]): readonly Step[] {
  const { prng } = world;
  const call = steps.find((step): step is CallStep => step.type === "call" && !step.body.includes("${"));
  const dice = prng.next();
  // What turns authentication on has steps of its own before it.
  if (call === undefined || dice < 0.12 || /auth\/(en|dis)able$/.test(call.path)) return [elsewhere(world)];
  const { saves: _saves, ...plain } = call;
  // With what is left out the server would choose a lease, and with it the key.
  if (plain.path === "/v3/lock/lock" || plain.path === "/v3/election/campaign") {
    return [{ ...plain, body: prng.pick(['{"name":1}', "[]", '{"lease":"x"}', "{", '{"lease":"404","name":{}}']) }];
  }
  if (plain.path === "/v3/lease/keepalive") return [{ ...plain, body: struck(world, plain.body) }];
  const body = dice < 0.5 ? struck(world, plain.body) : JSON.stringify(bent(world, JSON.parse(plain.body) as Json));
  return [plain.path === "/v3/lease/grant" && mayEndSoon(body) ? elsewhere(world) : { ...plain, body }];
}

/** A lease that ends while nobody looks ends at another request here than there. */
function mayEndSoon(body: string): boolean {
  return !/"TTL":\s*"?[0-9]{4,}/.test(body) && !/^\{"TTL":[^,]*$/.test(body);
}

/** Texts: cut off, a character too much or too few, something in front or behind. */
function struck({ prng }: World, body: string): string {
  const at = prng.int(0, body.length + 1);
  const odd = prng.pick([
    "{",
    "}",
    "[",
    "]",
    '"',
    ",",
    ":",
    "0",
    "-",
    "e",
    ".",
    "\\",
    "n",
    " ",
    "\n",
    "\u00e9",
    "'",
    "/",
    "\\u12",
    "\t",
  ]);
  switch (prng.int(0, 8)) {
    case 0:
      return body.slice(0, at);
    case 1:
      return body.slice(0, at) + body.slice(at + 1);
    case 2:
    case 3:
      return body.slice(0, at) + odd + body.slice(at);
    case 4:
      return body + prng.pick(["x", "{}", " ", "\n", "]", "null", ',{"a":1}']);
    case 5:
      return prng.pick([" ", "\n\t", "\ufeff", "x", "[", "//\n"]) + body;
    case 6:
      return prng.pick([
        "",
        " ",
        "null",
        "[]",
        '""',
        "1",
        "true",
        "{",
        "}",
        "{}{}",
        "nul",
        "-",
        '"',
        '{"a"}',
        "{,}",
        '{"a":}',
      ]);
    default:
      return body.slice(0, at) + odd + body.slice(at + 1);
  }
}

/** Values: another one in the place of some field, a field under another name, twice, or one that nobody knows. */
function bent(world: World, body: Json): Json {
  const { prng } = world;
  const names = Object.keys(body);
  if (names.length === 0) return { [prng.pick(["key", "ID", "name", "what", "revision", "action"])]: oddValue(world) };
  const name = prng.pick(names);
  const value = body[name];
  const dice = prng.next();
  if (Array.isArray(value) && value.length > 0 && dice < 0.7) {
    const at = prng.int(0, value.length);
    const item: unknown = value[at];
    const inner = typeof item === "object" && item !== null ? bent(world, item as Json) : oddValue(world);
    return { ...body, [name]: value.with(at, inner) };
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value) && dice < 0.7) {
    return { ...body, [name]: bent(world, value as Json) };
  }
  if (dice < 0.75) return { ...body, [name]: oddValue(world) };
  const camel = name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  if (dice < 0.85) return { ...body, [prng.pick([camel, camel.toUpperCase(), ` ${name}`, `${name}_`])]: value };
  if (dice < 0.95)
    return { ...body, [prng.pick(["unknown", "", "a b", "header", "x-y"])]: prng.bool(0.5) ? value : oddValue(world) };
  return Object.fromEntries(Object.entries(body).toReversed());
}

function oddValue({ prng }: World): unknown {
  return prng.pick<unknown>([
    ...[null, true, false, "", [], {}, [null], [[]], { a: [{}] }, "true", "null"],
    ...[0, 1, -1, 1.5, 1e3, 1e-3, 2147483648, -2147483649, 4294967296, 1e20, 1e300, 9007199254740991],
    ...["0", "1", "-1", "1.0", "1.5", "1e3", " 1", "1 ", "+1", "0x1", "01", "-0", "1e400", "NaN", "Infinity"],
    ...["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"],
    ...["18446744073709551615", "18446744073709551616", "9007199254740993", "-9007199254740993"],
    ...[
      "Zm9v",
      "Zm9",
      "Zm9v====",
      "Zm 9v",
      "_-8=",
      "+/8=",
      "_-8",
      "Zh==",
      "Z",
      "====",
      "Zm9v\n",
      "Zg==\n\r\n\n",
      "Zm9\n",
      "Zg==\n",
      "A+_/",
    ],
    ...["EQUAL", "equal", "VERSION", "NONE", "ASCEND", "NOPUT", "READ", "7", "\u00e9", "\u0000", "\ud83d\ude00"],
  ]);
}

function elsewhere(world: World): Step {
  const { prng } = world;
  const path = prng.pick(PATHS);
  const method = prng.pick(["GET", "PUT", "DELETE", "PATCH"]);
  return prng.pick<CallStep>([
    { type: "call", method, path, body: "{}" },
    { type: "call", method, path: "/v3/nothing", body: "{}" },
    { type: "call", path: `${path}/`, body: "{}" },
    { type: "call", path: path.slice(0, -1), body: "{}" },
    { type: "call", path: path.toUpperCase(), body: "{}" },
    {
      type: "call",
      path: path.replace("/v3/", prng.pick(["/v3alpha/", "/v2/", "/v3//"])),
      body: "{}",
    },
    { type: "call", path: prng.pick(["/v3beta/kv/range", "/v3beta/lease/leases", "/v3beta/what"]), body: "{}" },
    { type: "call", path: "/v3/kv/range?key=YQ==&limit=1", body: '{"key":"Yg=="}' },
    { type: "call", path: "/v3/kv/%72ange", body: '{"key":"Yg=="}' },
    {
      type: "call",
      path: "/v3/kv/range",
      body: '{"key":"Yg=="}',
      headers: { "content-type": prng.pick(["text/plain", "application/grpc-web", "x/y; a=b"]) },
    },
    { type: "call", path: "/v3/kv/range", body: '{"key":"Yg=="}', headers: { "grpc-metadata-hasleader": "true" } },
    {
      type: "call",
      path: "/v3/kv/range",
      body: '{"key":"Yg=="}',
      headers: { "grpc-timeout": prng.pick(["10S", "1H", "x", "10", "S", "-1S"]) },
    },
    {
      type: "call",
      path: "/v3/kv/range",
      body: '{"key":"Yg=="}',
      headers: { accept: prng.pick(["text/html", "application/octet-stream"]) },
    },
  ]);
}
