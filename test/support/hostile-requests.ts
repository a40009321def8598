/**
 * Requests that try to get at what is not public: every way to climb out of a public folder, to move the path by the
 * Host header, or to pass for somebody inside by a header. As bytes for a raw socket, because no HTTP library sends them.
 */
export interface HostileRequest {
  readonly target: string;
  readonly hosts: readonly string[];
  readonly headers: readonly string[];
}

/** What nobody outside may reach. `restoring` is an RPC method of the object, which once could have been a path. */
const INSIDE = ["raft", "quorate/restore/begin", "restoring", "ask"] as const;
/** Public folders, and how deep they are. */
const FOLDERS: readonly (readonly [folder: string, depth: number])[] = [
  ["/", 0],
  ["/kv/", 1],
  ["/v3/", 1],
  ["/v3/x/", 2],
  ["/livez/", 1],
  ["/quorate/v1/", 2],
  ["/assets/", 1],
  ["/peerjs/", 1],
  ["/m/1/", 0],
  ["/m/1/kv/", 1],
  ["/m/1/v3/", 1],
  ["/m/2/kv/", 1],
  ["/m/2/v3/x/", 2],
];
const UPWARDS = ["../", "%2e%2e/", "%2E./", ".%2e/", "..\\", "%2e%2e\\", "./../", "x/../../", "..%2f", "..%5c", "..;/"];
const SLASHES = ["/", "\\", "%2f", "%5c"];
const HOSTS: readonly (readonly string[])[] = [
  ["member/raft?"],
  ["member/raft#"],
  ["member\\raft?"],
  ["member/m/1/kv/.."],
  ["user@member"],
  ["member,member"],
  ["member", "member"],
  ["member:99999"],
  ["<member>"],
  ["mem ber"],
  ["%6dember"],
];
const HEADERS = [
  "x-quorate-leader: 3",
  "x-quorate-members: 999;9;7",
  "x-quorate-unavailable: removed",
  "x-forwarded-host: member",
  "x-original-url: /raft",
  "x-rewrite-url: /raft",
  "x-http-method-override: RAFT",
  "forwarded: host=member;proto=http",
];

/** A few hundred; `address` is where the endpoint listens. */
export function hostileRequests(address: string): readonly HostileRequest[] {
  return [...climbing(), ...absolute(address), ...hosted(address), ...headed(address)];
}

/** For a socket that is closed after the answer. */
export function requestBytes({ target, hosts, headers }: HostileRequest, body: Uint8Array): Uint8Array {
  const head = [
    `POST ${target} HTTP/1.1`,
    ...hosts.map((host) => `Host: ${host}`),
    ...headers,
    `Content-Length: ${body.length}`,
    "Connection: close",
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"), body]);
}

function* climbing(): Generator<HostileRequest> {
  for (const [folder, depth] of FOLDERS) {
    for (const up of UPWARDS) {
      for (const inside of INSIDE.slice(0, 2)) {
        yield { target: `${folder}${up.repeat(Math.max(depth, 1))}${inside}`, hosts: ["member"], headers: [] };
      }
    }
    for (const slash of SLASHES) {
      for (const inside of INSIDE) {
        yield { target: `${folder.slice(0, -1)}${slash}${inside}`, hosts: ["member"], headers: [] };
      }
    }
  }
}

function* absolute(address: string): Generator<HostileRequest> {
  for (const host of ["member", address]) {
    for (const target of ["raft", "v3/../raft", "m/1/kv/../raft", "m/2/kv/../quorate/restore/begin"]) {
      yield { target: `http://member/${target}`, hosts: [host], headers: [] };
      yield { target: `//member/${target}`, hosts: [host], headers: [] };
    }
  }
}

function* hosted(address: string): Generator<HostileRequest> {
  for (const hosts of HOSTS) {
    for (const target of ["/", "/raft", "/v3/raft", "/m/1/kv/../raft"]) yield { target, hosts, headers: [] };
  }
  yield { target: "/m/1/kv/../raft", hosts: [address, "member"], headers: [] };
}

function* headed(address: string): Generator<HostileRequest> {
  for (const header of HEADERS) {
    for (const target of ["/raft", "/m/1/raft", "/m/1/kv/../raft", "/v3/kv/range"]) {
      yield { target, hosts: [address], headers: [header] };
      yield { target, hosts: ["member"], headers: [header] };
    }
  }
}
