import { expect, test } from "vitest";
import { frameAncestorsOf, securedJson, withSecurityHeaders } from "../../../src/gateway/http/security-headers.ts";

const OPTIONS = { frameAncestors: "'none'", isEmbeddable: false };

test.each([
  ["", "'none'"],
  [" , 'none'", "'none'"],
  ["*", "*"],
  ["self", "'self'"],
  ["'self', https://App.example/ ,http://localhost:*", "'self' https://app.example http://localhost:*"],
])("a setting %j of who may frame the page is %j", (text, sources) => {
  expect(frameAncestorsOf(text)).toBe(sources);
});

test.each([
  "app.example",
  "https://a.example; script-src *",
  "https://a.example https://b.example",
  "https://*.example",
  "https://*",
  "https:",
  "data:",
  "https://a.example\r\nx: y",
])("what names no page that may frame is refused, and cannot add to the policy: %j", (text) => {
  expect(() => frameAncestorsOf(text)).toThrow("is no origin");
});

test("a page may load its own files only; what is no page may load nothing; nobody may frame either", () => {
  const page = withSecurityHeaders(
    new Response("", { headers: { "content-type": "text/html; charset=utf-8" } }),
    OPTIONS,
  );
  const data = withSecurityHeaders(Response.json({}), OPTIONS);

  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; /);
  expect(policy).toMatch(/; frame-ancestors 'none'$/);
  expect(policy).not.toContain("unsafe");
  expect(data.headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
  expect([page.headers.has("permissions-policy"), data.headers.has("permissions-policy")]).toEqual([true, false]);
});

test.each([OPTIONS, { frameAncestors: "https://app.example", isEmbeddable: true }])(
  "JSON that is made with its headers has those of JSON that gets them later, and is not copied: %j",
  async (options) => {
    const later = withSecurityHeaders(new Response("{}", { headers: { "content-type": "application/json" } }), options);
    for (let time = 0; time < 2; time++) {
      const made = securedJson("{}", options);
      expect([...made.headers]).toEqual([...later.headers]);
      expect(withSecurityHeaders(made, options)).toBe(made);
      expect([made.status, await made.text()]).toEqual([200, "{}"]);
    }
  },
);

test("status, text, other headers and body stay as they are", async () => {
  const headers = { etag: '"7"', "x-content-type-options": "nosniff", "content-type": "text/plain" };
  const secured = withSecurityHeaders(new Response("value", { status: 412, statusText: "So", headers }), OPTIONS);
  const empty = withSecurityHeaders(new Response(null, { status: 304, headers: { etag: '"7"' } }), OPTIONS);

  expect([secured.status, secured.statusText, await secured.text()]).toEqual([412, "So", "value"]);
  expect(secured.headers.get("etag")).toBe('"7"');
  expect(secured.headers.get("x-content-type-options")).toBe("nosniff");
  expect([empty.status, empty.body, empty.headers.get("etag")]).toEqual([304, null, '"7"']);
});

test("headers that cannot be changed are copied", () => {
  const fetched = Response.redirect("http://edge/");
  expect(() => fetched.headers.set("a", "b")).toThrow("immutable");

  expect(withSecurityHeaders(fetched, OPTIONS).headers.get("location")).toBe("http://edge/");
});

test("pages of other origins may load a response without CORS only where every page may call", () => {
  const policyOf = (isEmbeddable: boolean): string | null =>
    withSecurityHeaders(new Response(""), { ...OPTIONS, isEmbeddable }).headers.get("cross-origin-resource-policy");

  expect([policyOf(false), policyOf(true)]).toEqual(["same-origin", "cross-origin"]);
});
