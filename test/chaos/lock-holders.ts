/**
 * Clients that take one lock in turn. A holder believes that it holds the lock from the answer until it releases it or
 * its signal aborts. Two must never believe it at the same time, and fences only grow.
 */
import type { ApplicationClient } from "../../src/client/app/application-client.ts";
import { sleep } from "./nemesis.ts";

const NAME = "chaos-lock";
const TTL_SECONDS = 5;

export class LockHolders {
  readonly #clients: readonly ApplicationClient[];
  readonly #violations: string[] = [];
  #holder: { readonly fence: number; readonly signal: AbortSignal } | undefined;
  #highest = 0;
  #stopped = false;
  held = 0;

  constructor(clients: readonly ApplicationClient[]) {
    this.#clients = clients;
  }

  get violations(): readonly string[] {
    return this.#violations;
  }

  stop(): void {
    this.#stopped = true;
  }

  async run(): Promise<void> {
    await Promise.all(this.#clients.map((client) => this.#take(client)));
  }

  async #take(client: ApplicationClient): Promise<void> {
    while (!this.#stopped) {
      try {
        await client.withLock(NAME, ({ fence, signal }) => this.#hold(fence, signal), {
          ttl: TTL_SECONDS,
          signal: AbortSignal.timeout(20_000),
        });
      } catch {
        // Lost, or nobody could be reached: the next attempt says.
        await sleep(200);
      }
    }
  }

  async #hold(fence: number, signal: AbortSignal): Promise<void> {
    const other = this.#holder;
    if (other !== undefined && !other.signal.aborted) {
      this.#violations.push(`the lock was held with fence ${fence} while fence ${other.fence} was held`);
    }
    if (fence <= this.#highest) this.#violations.push(`fence ${fence} came after fence ${this.#highest}`);
    this.#highest = Math.max(this.#highest, fence);
    const mine = { fence, signal };
    this.#holder = mine;
    this.held += 1;
    await Promise.race([sleep(100), new Promise((resolve) => signal.addEventListener("abort", resolve))]);
    if (this.#holder === mine) this.#holder = undefined;
  }
}
