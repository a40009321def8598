import { describe, expect, test } from "vitest";
import { EtcdError } from "../../../src/protocol/errors.ts";
import { parsePeerUrls } from "../../../src/member/membership/peer-urls.ts";

describe("peer URLs, as a real etcd v3.7.1 accepts and formats them", () => {
  test.each([
    ["http://:1", "http://:1"],
    ["http://a:", "http://a:"],
    ["HTTP://A:1?x=1", "http://A:1?x=1"],
    ["unix://x/y", "unix://x/y"],
    [" http://sp:1 ", "http://sp:1"],
    ["http://u:p@a:1", "http://u:p@a:1"],
    ["http://a:99999", "http://a:99999"],
    ["http://a:1#f", "http://a:1#f"],
    ["https://[::1]:1", "https://[::1]:1"],
    ["unix:", "unix:"],
    ["http://ü:1", "http://%C3%BC:1"],
  ])("%s is valid", (text, written) => {
    expect(parsePeerUrls([text])).toEqual([written]);
  });

  test.each([
    "",
    "x",
    "127.0.0.1:2380",
    "http://a",
    "http://a:1/",
    "http://a:1/x",
    "ftp://a:1",
    "http://a:x",
    "http://a b:1",
    "http://::1:2380",
    "http:a:1",
    "http://a%20b:1",
    "http://[::1",
    "mailto:x",
    "http://a\n:1",
  ])("%j is refused", (text) => {
    expect(() => parsePeerUrls([text])).toThrow(EtcdError);
  });

  test("are sorted, and duplicates are kept", () => {
    expect(parsePeerUrls(["http://b:2", "http://a:1", "http://b:2"])).toEqual([
      "http://a:1",
      "http://b:2",
      "http://b:2",
    ]);
  });
});
