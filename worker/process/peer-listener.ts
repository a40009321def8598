/**
 * The listener for other members: a socket of its own, which serves nothing else. Certificates are checked by workerd
 * before a request arrives; the token is checked here, before the body is read.
 *
 *     POST /quorate/peer/raft      a batch of frames; the response is a batch
 *     GET  /quorate/peer/members   the members, for one that joins
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import { equalSecrets } from "../../src/base/bytes.ts";
import { Sha256 } from "../../src/base/sha256.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import { readBytes } from "../../src/gateway/http/body.ts";
import { LOOPBACK } from "../../src/gateway/http/hosts.ts";
import { MAX_FRAME_BYTES } from "../../src/transport/transport.ts";
import { MEMBERS_PATH, RAFT_PATH } from "./peer-rpc.ts";
import { OBJECT_NAME, type ProcessEnv } from "./process-env.ts";

/** A batch has one large frame at the most, or many small ones up to a MiB. */
const BATCH_BYTES_MAX = MAX_FRAME_BYTES + 1024 * 1024;

export class PeerListener extends WorkerEntrypoint<ProcessEnv> {
  override async fetch(request: Request): Promise<Response> {
    try {
      return await this.#serve(request);
    } catch (error) {
      return new Response(error instanceof Error ? error.message : String(error), { status: 503 });
    }
  }

  async #serve(request: Request): Promise<Response> {
    // On loopback members need no proof, but a page of any site can send bytes there.
    if (request.headers.has("origin")) return new Response("a page is no member", { status: 403 });
    if (!isOwnHost(request, this.env)) return new Response("members call this machine by its address", { status: 421 });
    if (!isAdmitted(request, this.env)) return new Response("this is not the peer token", { status: 401 });
    const { pathname } = new URL(request.url);
    const member = this.env.MEMBER.get(this.env.MEMBER.idFromName(OBJECT_NAME));
    if (pathname === MEMBERS_PATH && request.method === "GET") return Response.json(await member.peers());
    if (pathname !== RAFT_PATH || request.method !== "POST") return new Response("no such path", { status: 404 });
    const batch = await readBytes(request, BATCH_BYTES_MAX);
    if (batch === undefined) return new Response("the batch is too large", { status: 413 });
    const response = await member.raft(batch);
    if (response.type === "batch") return new Response(response.batch);
    return new Response(response.reason, { status: response.isBad ? 400 : 503 });
  }
}

/** Without a token, and in the clear, members are on this machine: another name is a page's that points here. */
function isOwnHost(request: Request, { PEER_TOKEN }: ProcessEnv): boolean {
  const { hostname, protocol } = new URL(request.url);
  return (
    PEER_TOKEN !== undefined || protocol === "https:" || LOOPBACK.includes(hostname) || hostname.startsWith("127.")
  );
}

function isAdmitted(request: Request, { PEER_TOKEN }: ProcessEnv): boolean {
  if (PEER_TOKEN === undefined) return true;
  const shown = request.headers.get("authorization") ?? "";
  return equalSecrets(digestOf(shown), digestOf(`Bearer ${PEER_TOKEN}`));
}

function digestOf(text: string): Uint8Array {
  return new Sha256().update(utf8Encode(text)).digest();
}
