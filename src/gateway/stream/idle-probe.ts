/**
 * A watch stream that finds out whether its reader is still there. A watch on a key that never changes writes nothing,
 * and only a write tells of a reader who left without a word; so after a while of silence the member is asked for a
 * progress response, which etcd's clients know.
 */
import type { WatchStream } from "../../member/api/services.ts";
import type { WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";

export class IdleProbe implements WatchStream {
  readonly #stream: WatchStream;
  readonly #probe: ReturnType<typeof setInterval>;
  /** The reader waits for us, and nothing came since the last look; there are two looks in the time. */
  #isWaiting = false;
  #isSilent = false;

  constructor(stream: WatchStream, probeAfterMs: number) {
    this.#stream = stream;
    this.#probe = setInterval(() => this.#checkReader(), probeAfterMs / 2);
  }

  request(request: WatchRequest): void {
    this.#stream.request(request);
  }

  async next(): Promise<WatchResponse | undefined> {
    this.#isWaiting = true;
    const response = await this.#stream.next();
    this.#isWaiting = false;
    this.#isSilent = false;
    return response;
  }

  close(): void {
    clearInterval(this.#probe);
    this.#stream.close();
  }

  #checkReader(): void {
    if (this.#isWaiting && this.#isSilent) this.#stream.request({ type: "progress", progress: {} });
    this.#isSilent = true;
  }
}
