/**
 * An authorization server for the example, strict as real ones are: a refresh token is good for one use, and the second use ends
 * the session, since it looks like theft.
 *
 *   node server.js [PORT]        prints its address
 *
 *   POST /token    { refresh_token } → { access_token, refresh_token, expires_in }, or 400 invalid_grant
 *   GET  /api      with Authorization: Bearer ACCESS_TOKEN
 *   POST /login    → a new session's tokens
 *   GET  /counts   { refreshes, reuses }
 */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";

const EXPIRES_IN = Number(process.argv[3] ?? 30);
/** A refresh takes its time, so two that begin together are under way together. */
const REFRESH_MS = 300;

let session = { access: "", refresh: "", isRevoked: false };
const used = new Set();
const counts = { refreshes: 0, reuses: 0 };

function issue() {
  session = { access: randomUUID(), refresh: randomUUID(), isRevoked: false };
  return { access_token: session.access, refresh_token: session.refresh, expires_in: EXPIRES_IN };
}

/**
 * @param {string} token
 * @returns {Promise<readonly [number, object]>}
 */
async function refresh(token) {
  const isCurrent = token === session.refresh && !session.isRevoked;
  if (isCurrent && !used.has(token)) {
    used.add(token);
    counts.refreshes += 1;
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
    if (!session.isRevoked) return [200, issue()];
  } else if (used.has(token)) {
    counts.reuses += 1;
    session.isRevoked = true;
  }
  return [400, { error: "invalid_grant" }];
}

/**
 * @param {import("node:http").IncomingMessage} request
 * @returns {Promise<readonly [number, object]>}
 */
async function answer(request) {
  switch (`${request.method} ${request.url}`) {
    case "POST /login":
      return [200, issue()];
    case "POST /token": {
      const { refresh_token: token } = /** @type {{ refresh_token: string }} */ (await json(request));
      return refresh(token);
    }
    case "GET /api": {
      const isGood = request.headers.authorization === `Bearer ${session.access}` && !session.isRevoked;
      return isGood ? [200, { message: "Hello from the API" }] : [401, { error: "invalid_token" }];
    }
    case "GET /counts":
      return [200, counts];
    default:
      return [404, { error: "not_found" }];
  }
}

const server = createServer((request, response) => {
  const headers = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "authorization, content-type",
    "content-type": "application/json",
  };
  if (request.method === "OPTIONS") return void response.writeHead(204, headers).end();
  answer(request).then(
    ([status, body]) => response.writeHead(status, headers).end(JSON.stringify(body)),
    () => response.writeHead(400, headers).end(JSON.stringify({ error: "invalid_request" })),
  );
});
server.listen(Number(process.argv[2] ?? 8789), "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object") console.log(`http://localhost:${address?.port}/token`);
});
