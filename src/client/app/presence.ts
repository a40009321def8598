/**
 * Shows which participants are present. Each participant is a key on its own lease, so a vanished one disappears when
 * its lease expires.
 *
 *   await using here = await client.presence("room/", { name: "Ann" });
 *   here.others.subscribe(() => show(here.others.entries));
 */
import { backoffMs } from "../common/backoff.ts";
import type { Live } from "./live.ts";
import { namespace, type Namespace, type NamespaceHost } from "./namespace.ts";
import { Session, type SessionHost } from "./session.ts";

/** Options of `presence`. */
export interface PresenceOptions {
  /** Id of this participant. Default: random. */
  readonly id?: string | undefined;
  /** Time to live of the lease in seconds: after it a vanished participant disappears. Default 15. */
  readonly ttl?: number | undefined;
  /** Stops joining. Whoever has joined leaves with `leave()` or `await using`. */
  readonly signal?: AbortSignal | undefined;
}

/** A participant who is shown to the others until it leaves. */
export interface Presence<Me> extends AsyncDisposable {
  readonly id: string;
  /** All present participants by id, this one included. */
  readonly members: Live<Me>;
  /** Replaces what the others see of this participant. */
  update(me: Me): Promise<void>;
  leave(): Promise<void>;
}

export type PresenceHost = NamespaceHost & SessionHost;

const RETRY_LIMIT_MS = 2_000;

/**
 * Resolves when the others can see this participant. If its lease is lost, for example by a closed laptop, the
 * participant is added again.
 */
export async function presence<Me>(
  host: PresenceHost,
  prefix: string,
  me: Me,
  { id = crypto.randomUUID(), ttl, signal }: PresenceOptions = {},
): Promise<Presence<Me>> {
  const participant = new Participant(host, namespace<Me>(host, prefix), id, ttl, me);
  await participant.enter(signal);
  return participant;
}

class Participant<Me> implements Presence<Me> {
  readonly id: string;
  readonly members: Live<Me>;
  readonly #host: PresenceHost;
  readonly #keys: Namespace<Me>;
  readonly #ttl: number | undefined;
  readonly #over: AbortController = new AbortController();
  #me: Me;
  #session: Session | undefined;

  constructor(host: PresenceHost, keys: Namespace<Me>, id: string, ttl: number | undefined, me: Me) {
    this.#host = host;
    this.#keys = keys;
    this.id = id;
    this.#ttl = ttl;
    this.#me = me;
    this.members = keys.live();
  }

  async enter(signal: AbortSignal | undefined): Promise<void> {
    try {
      const session = await this.#join(signal);
      void this.#stay(session);
    } catch (error) {
      this.members.close();
      throw error;
    }
  }

  async update(me: Me): Promise<void> {
    this.#me = me;
    const session = this.#session;
    // Without a session the participant is about to be added again, with the newest value.
    if (session !== undefined) await this.#keys.put(this.id, me, { lease: session.id });
  }

  async leave(): Promise<void> {
    this.#over.abort();
    this.members.close();
    await this.#session?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  async #join(signal?: AbortSignal): Promise<Session> {
    const session = await Session.open(this.#host, { ttl: this.#ttl, what: `the presence of ${this.id}`, signal });
    try {
      await this.#keys.put(this.id, this.#me, { lease: session.id, signal });
    } catch (error) {
      await session.close();
      throw error;
    }
    this.#session = session;
    return session;
  }

  async #stay(first: Session): Promise<void> {
    let session: Session | undefined = first;
    let failures = 0;
    const over = AbortSignal.any([this.#over.signal, this.#host.closed]);
    while (!over.aborted) {
      if (session !== undefined) {
        await lossOf(session, over);
        this.#session = undefined;
      }
      if (over.aborted) return;
      try {
        session = await this.#join();
        failures = 0;
        if (over.aborted) await session.close();
      } catch {
        session = undefined;
        await this.#host.backoff.sleep(backoffMs(failures++, RETRY_LIMIT_MS, this.#host.backoff.random), over);
      }
    }
  }
}

/** Resolves when the session is lost or `over` aborts. */
function lossOf({ signal }: Session, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const ended = AbortSignal.any([signal, over]);
    if (ended.aborted) resolve();
    else ended.addEventListener("abort", () => resolve(), { once: true });
  });
}
