/**
 * An API for the example: exchange rates that move, and a count of who asked.
 *
 *   node server.js [PORT]        prints its address
 */
import { createServer } from "node:http";

/** @type {Record<string, number>} */
const rates = { CHF: 0.9375, GBP: 0.8621, JPY: 171.42, SEK: 11.0873, USD: 1.1614 };
/** @type {{ by: string, atMs: number }[]} */
const polls = [];

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  /** @param {unknown} body */
  const answer = (body) =>
    response
      .writeHead(200, { "content-type": "application/json", "access-control-allow-origin": "*" })
      .end(JSON.stringify(body));
  if (pathname === "/polls") return void answer(polls);
  polls.push({ by: searchParams.get("by") ?? "", atMs: Date.now() });
  for (const currency of Object.keys(rates)) {
    rates[currency] = (rates[currency] ?? 1) * (1 + (Math.random() - 0.5) / 500);
  }
  answer(rates);
});
server.listen(Number(process.argv[2] ?? 8788), "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object") console.log(`http://localhost:${address?.port}/rates, and who asked: /polls`);
});
