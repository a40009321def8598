import { expect, test } from "vitest";
import { callerAddress } from "../../../src/gateway/http/caller-address.ts";
import { callContext, webSocketContext } from "../../../src/gateway/http/context.ts";

function request(cf: unknown, headers: Record<string, string> = {}): Request {
  return Object.assign(new Request("http://edge/v3/kv/put", { headers }), { cf });
}

const lie = {
  "cf-connecting-ip": "6.6.6.6",
  "x-forwarded-for": "6.6.6.6",
  "x-real-ip": "6.6.6.6",
  "true-client-ip": "6.6.6.6",
  forwarded: "for=6.6.6.6",
  "grpc-metadata-address": "6.6.6.6",
};

test("workerd's word of the connection counts, and no header of the client", () => {
  expect(callerAddress(request({ clientIp: "10.0.0.1:60394" }, lie))).toBe("10.0.0.1");
});

test("where the platform reports no address there is none, whatever the client claims", () => {
  for (const cf of [undefined, null, {}, { clientPid: 7, clientUid: 1 }, { clientIp: 7 }, "6.6.6.6"]) {
    expect(callerAddress(request(cf, lie))).toBeUndefined();
  }
});

test("on Cloudflare the header that Cloudflare writes counts", () => {
  expect(callerAddress(request({ colo: "FRA" }, { "cf-connecting-ip": "192.0.2.7" }))).toBe("192.0.2.7");
});

test("the ports of one address are one caller, and so are the addresses of one IPv6 network", () => {
  const addresses = ["[::ffff:127.0.0.1]:60394", "[::ffff:127.0.0.1]:60395", "127.0.0.1:60396"];
  for (const clientIp of addresses) expect(callerAddress(request({ clientIp }))).toBe("127.0.0.1");
  for (const header of ["2001:db8::1", "2001:db8::ffff:2"]) {
    expect(callerAddress(request({ colo: "FRA" }, { "cf-connecting-ip": header }))).toBe("2001:db8:0:0::/64");
  }
});

test("a call's context has the address, with a token and without, over HTTP and over a WebSocket", () => {
  const cf = { clientIp: "10.0.0.1:9" };
  for (const headers of [{}, { authorization: "t" }]) {
    const { address, token } = callContext(request(cf, headers));
    expect([address, token]).toEqual(["10.0.0.1", "authorization" in headers ? "t" : ""]);
    expect(webSocketContext(request(cf, headers)).address).toBe("10.0.0.1");
  }
});
