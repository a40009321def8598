/**
 * A watch stream that detects a disconnected reader. A watch on a key that never changes writes nothing, and only a
 * write reveals a reader that disconnected silently. So after some silence a progress response is requested from the
 * member, which etcd's clients understand.
 */
import type { WatchStream } from "../../member/api/services.ts";
import type { WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";

export class IdleProbe implements WatchStream {
  readonly #stream: WatchStream;
  readonly #probe: ReturnType<typeof setInterval>;
  /** The reader waits, and nothing has arrived since the last check. There are two checks per probe interval. */
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
