/** Outside of the gateway's paths Go's own server responds, with this text. */
export function noPage(): Response {
  const headers = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };
  return new Response("404 page not found\n", { status: 404, headers });
}
