/** A watch service whose responses the test hands out one by one, and which counts what is taken from it. */
import type { WatchService, WatchStream } from "../../../src/member/api/services.ts";
import type { EtcdError } from "../../../src/protocol/errors.ts";
import { watchResponse } from "../../../src/protocol/api/watch.ts";
import type { WatchRequest, WatchResponse } from "../../../src/protocol/api/watch.ts";

export class FakeWatch implements WatchService, WatchStream {
  readonly requests: WatchRequest[] = [];
  taken = 0;
  closed = false;
  readonly #refusal: EtcdError | undefined;
  #ready = 0;
  #failure: EtcdError | undefined;
  #calls = 0;
  #wake: () => void = () => {};
  #received: () => void = () => {};

  /** With a refusal, no stream opens. */
  constructor(refusal?: EtcdError) {
    this.#refusal = refusal;
  }

  watch(): WatchStream {
    if (this.#refusal !== undefined) throw this.#refusal;
    return this;
  }

  request(request: WatchRequest): void {
    this.requests.push(request);
    this.#received();
  }

  async next(): Promise<WatchResponse | undefined> {
    this.#calls += 1;
    this.#received();
    while (this.#ready === 0 && this.#failure === undefined && !this.closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#ready > 0) {
      this.#ready -= 1;
      this.taken += 1;
      return watchResponse({ watchId: this.taken });
    }
    if (this.#failure !== undefined) throw this.#failure;
    return undefined;
  }

  close(): void {
    this.closed = true;
    this.#wake();
  }

  answer(count: number): void {
    this.#ready += count;
    this.#wake();
  }

  fail(error: EtcdError): void {
    this.#failure = error;
    this.#wake();
  }

  /** Until so many requests have come. */
  requested(count: number): Promise<void> {
    return this.#until(() => this.requests.length >= count);
  }

  /** Until `next` was called so many times. */
  awaited(count: number): Promise<void> {
    return this.#until(() => this.#calls >= count);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#received = resolve;
      });
    }
  }
}
