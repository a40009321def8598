/** OAuth tokens that tabs, browsers and servers share. Whoever finds the access token expired refreshes it, alone. */
import { json } from "quorate";
import type { ApplicationClient, HeldLock, Live, Namespace } from "quorate";

export interface Tokens {
  readonly access: string;
  readonly refresh: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly refreshes: number;
}

export interface SharedSessionOptions {
  /** The authorization server. */
  readonly oauth: string;
  readonly user: string;
  readonly log: (text: string) => void;
}

interface TokenResponse {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
}

const KEY = "session";
const codec = json<Tokens>();

export class SharedSession {
  readonly #client: ApplicationClient;
  readonly #options: SharedSessionOptions;
  readonly #tokens: Namespace<Tokens>;
  readonly #lock: string;

  constructor(client: ApplicationClient, options: SharedSessionOptions) {
    this.#client = client;
    this.#options = options;
    this.#tokens = client.namespace<Tokens>(`oauth/${options.user}/`, { codec });
    this.#lock = `oauth-refresh/${options.user}`;
  }

  live(): Live<Tokens> {
    return this.#tokens.live();
  }

  async signIn(): Promise<void> {
    await this.#tokens.put(KEY, await this.#ask("/login", {}, 0));
    this.#options.log("signed in");
  }

  /** Returns a token that is good now. Refreshes it if need be. */
  async accessToken(): Promise<string> {
    const found = await this.#tokens.get(KEY);
    if (found === undefined) throw new Error("nobody has signed in");
    if (isGood(found.value)) return found.value.access;
    return this.#client.withLock(this.#lock, (lock) => this.#refreshed(lock), { ttl: 10 });
  }

  async #refreshed(lock: HeldLock): Promise<string> {
    // Somebody may have refreshed while this one waited for the lock.
    const found = await this.#tokens.get(KEY);
    if (found === undefined) throw new Error("nobody has signed in");
    const { value } = found;
    if (isGood(value)) {
      this.#options.log("used what another one refreshed");
      return value.access;
    }
    const next = await this.#ask("/token", { refresh_token: value.refresh }, value.refreshes + 1, lock.signal);
    // Stored only if the lock is still held: one that was frozen here must not put an old session over a newer one.
    const { compare, op, kv } = this.#client;
    const key = this.#tokens.prefix + KEY;
    const { succeeded } = await kv
      .txn()
      .if(lock.isHeld(), compare.modRevision(key).equals(found.revision))
      .then(op.put(key, codec.encode(next)))
      .commit();
    if (!succeeded) throw new Error("the lock was lost while the refresh was under way");
    this.#options.log("refreshed");
    return next.access;
  }

  async #ask(path: string, body: object, refreshes: number, signal?: AbortSignal): Promise<Tokens> {
    const response = await fetch(this.#options.oauth + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
    if (!response.ok) throw new Error(`the authorization server refused: ${await response.text()}`);
    const { access_token: access, refresh_token: refresh, expires_in } = (await response.json()) as TokenResponse;
    return { access, refresh, expiresAt: Date.now() + expires_in * 1_000, refreshes };
  }
}

function isGood({ expiresAt }: Tokens): boolean {
  return Date.now() < expiresAt;
}
