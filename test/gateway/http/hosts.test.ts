import fc from "fast-check";
import { expect, test } from "vitest";
import { ANY_ADDRESS, hostOf, hostRefusal, hostsOf, requestHost } from "../../../src/gateway/http/hosts.ts";

test.each<[header: string, hostname: string, port: number | undefined]>([
  ["localhost", "localhost", undefined],
  ["LocalHost:8787", "localhost", 8787],
  ["app.example.", "app.example", undefined],
  ["edge", "edge", undefined],
  ["quorate_1:80", "quorate_1", 80],
  ["xn--bcher-kva.example", "xn--bcher-kva.example", undefined],
  ["127.0.0.1:1", "127.0.0.1", 1],
  ["[::1]:65535", "[::1]", 65_535],
  ["[0:0:0:0:0:0:0:1]", "[::1]", undefined],
  ["[2001:DB8::A]", "[2001:db8::a]", undefined],
  ["a.example:", "a.example", undefined],
  [`${"a".repeat(63)}.example`, `${"a".repeat(63)}.example`, undefined],
])("a Host header that names one host is read: %s", (header, hostname, port) => {
  expect(hostOf(header)).toEqual({ hostname, port });
});

test.each([
  "",
  " ",
  ":80",
  "a.example, b.example",
  "a.example,b.example",
  "bad host",
  "a.example\t",
  "a.example:99999",
  "a.example:65536",
  "a.example:-1",
  "a.example:80:80",
  "a.example:http",
  "<x>",
  "a/b",
  "a\\b",
  "a?b",
  "a#b",
  "user@a.example",
  "user:pw@a.example",
  "http://a.example",
  "%61.example",
  "b\u00fccher.example",
  "a..b",
  ".",
  "..",
  ".a",
  "a..",
  "-a.example",
  "a-.example",
  "*",
  // Spellings of addresses that URL parsers take for 127.0.0.1 and others.
  "127.1",
  "2130706433",
  "0x7f000001",
  "0x7f.1",
  "a.0x",
  "127.0.0.01",
  "127.0.0.256",
  "1.2.3.4.5",
  "[::1",
  "::1",
  "[]",
  "[::1%eth0]",
  "[::1]a",
  "[1:2]",
  "[v1.a]",
  `${"a".repeat(64)}.example`,
  `${"a.".repeat(127)}b`,
  `${"a.".repeat(126)}ab`,
])("a Host header that is no name, or more than one, is none: %j", (header) => {
  expect(hostOf(header)).toBeUndefined();
});

test("no Host header is none", () => {
  expect(hostOf(null)).toBeUndefined();
  expect(hostOf(undefined)).toBeUndefined();
});

test("what is read as a host is read so by URL parsers, and cannot move a path", () => {
  const character = fc.constantFrom(..."aZ09.-_:[]/\\?#@%,* x\t".split(""), "xn--", "0x", "::1");
  const text = fc.string({ unit: fc.oneof(character, fc.string({ minLength: 1, maxLength: 1 })), maxLength: 12 });
  fc.assert(
    fc.property(text, (header) => {
      const host = hostOf(header);
      if (host === undefined) return;
      const { hostname, port, pathname, username, search, hash } = new URL(`http://${header}/p?q#h`);
      expect({ hostname: hostname.replace(/\.$/, ""), pathname, username, search, hash }).toEqual({
        hostname: host.hostname,
        pathname: "/p",
        username: "",
        search: "?q",
        hash: "#h",
      });
      expect(port).toBe(host.port === undefined || host.port === 80 ? "" : String(host.port));
    }),
    { numRuns: 20_000 },
  );
});

test("a request's host is that of its header, else that of its URL", () => {
  const withHeader = new Request("http://edge:81/x", { headers: { host: "a.example, b.example" } });

  expect(requestHost(withHeader)).toBeUndefined();
  expect(requestHost(new Request("https://edge:81/x?http://b"))).toEqual({ hostname: "edge", port: 81 });
  expect(requestHost({ url: "http://a, b/x", headers: new Headers() } as Request)).toBeUndefined();
});

test.each<[base: string, host: string, status: number | undefined]>([
  ["http://edge", "evil.example:8787", 421],
  ["http://edge", "my.host.evil.example", 421],
  ["http://edge", "localhost.evil.example", 421],
  ["http://edge", "127.0.0.2", 421],
  ["http://edge", "a.example, my.host", 400],
  ["http://edge", "my.host#", 400],
  ["http://edge", "MY.host.:8787", undefined],
  ["http://edge", "localhost:1", undefined],
  ["http://edge", "127.0.0.1", undefined],
  ["http://edge", "[::1]:8787", undefined],
  ["https://edge", "evil.example", undefined],
])("with a whitelist %s asked for as %j is answered with %s", (base, host, status) => {
  const request = new Request(base, { headers: { host } });

  expect(hostRefusal(request, ["my.host"])?.status).toBe(status);
});

test("any address stands for IP addresses, never for a name", () => {
  const statusFor = (host: string): number | undefined =>
    hostRefusal(new Request("http://edge", { headers: { host } }), hostsOf(`${ANY_ADDRESS},mine`))?.status;

  expect([statusFor("192.168.1.5:8787"), statusFor("[2001:db8::1]"), statusFor("mine")]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect([statusFor("evil.example"), statusFor("1.2.3.4.evil.example"), statusFor("1.2.3")]).toEqual([421, 421, 400]);
});

test("a setting of hosts is parsed as headers are, and what is no name is refused with its text", () => {
  expect(hostsOf(" My.Host., [0:0::1] ")).toEqual(["my.host", "[::1]"]);
  expect([hostsOf(""), hostsOf("a, *")]).toEqual(["*", "*"]);
  for (const text of ["my.host:8787", "http://my.host", "my host", "*.example"]) {
    expect(() => hostsOf(text)).toThrow(`${JSON.stringify(text)} is no host name`);
  }
});
