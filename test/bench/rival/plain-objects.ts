/**
 * What people write by hand today, to compare with: a Durable Object that keeps one row per key and knows no Raft.
 * Takes the requests that the benchmark sends to etcd and to Quorate.
 *
 *     /v3/kv/put, /v3/kv/range          one object: nothing is replicated
 *     /v3/kv/txn                        puts only, to all three objects: how the benchmark fills an endpoint
 *     /three/v3/kv/put                  three objects: the first one writes, so do two others, and one of them has
 *                                       answered. No log, no terms, no revisions: the least that replication costs here
 *     /nothing/…                        the worker answers by itself: what HTTP and workerd cost, whatever is behind it
 */
import { DurableObject } from "cloudflare:workers";

interface Env {
  readonly PLAIN: DurableObjectNamespace<PlainObject>;
}

interface Message {
  readonly key: string;
  readonly value?: string;
  readonly success?: readonly { readonly requestPut: Pair }[];
}

interface Pair {
  readonly key: string;
  readonly value: string;
}

const REPLICATED = "/three/v3/kv/put";
const NOTHING = "/nothing/";
const OTHERS = ["second", "third"];

export class PlainObject extends DurableObject<Env> {
  readonly #others: readonly DurableObjectStub<PlainObject>[];

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#others = OTHERS.map((name) => env.PLAIN.get(env.PLAIN.idFromName(name)));
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS pairs (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const { key, value, success } = await request.json<Message>();
    if (pathname.endsWith("/range")) {
      return Response.json(this.ctx.storage.sql.exec("SELECT value FROM pairs WHERE key = ?", key).toArray());
    }
    if (success !== undefined) {
      const pairs = success.map(({ requestPut }) => requestPut);
      await Promise.all([this.write(pairs), ...this.#others.map((other) => other.write(pairs))]);
    } else if (value !== undefined) {
      const replicated =
        pathname === REPLICATED ? Promise.any(this.#others.map((other) => other.write([{ key, value }]))) : undefined;
      await this.write([{ key, value }]);
      await replicated;
    }
    return Response.json({ ok: true });
  }

  async write(pairs: readonly Pair[]): Promise<void> {
    for (const { key, value } of pairs) {
      this.ctx.storage.sql.exec("INSERT OR REPLACE INTO pairs VALUES (?, ?)", key, value);
    }
  }
}

const worker: ExportedHandler<Env> = {
  async fetch(request, env) {
    if (!new URL(request.url).pathname.startsWith(NOTHING)) {
      return env.PLAIN.get(env.PLAIN.idFromName("first")).fetch(request);
    }
    await request.text();
    return Response.json({ ok: true });
  },
};

export default worker;
