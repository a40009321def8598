/**
 * All watches of a client over plain HTTP: one POST whose body creates them all, and one NDJSON response that does not end.
 *
 * A browser opens six connections to a host under HTTP/1.1. With a response for each watch, the sixth would leave none for
 * anything else of the page. HTTP/1.1 does not let a client send while it reads, either. So the response is opened anew when
 * a watch is added, and each of the others goes on at the revision that it has reached.
 *
 * etcd's gateway reads no more of a body once it has written, so of several watches it may begin only the first. Then each
 * response has one watch. Where connections are few, two of them take turns.
 */
import type { CallContext, WatchStream } from "../../member/api/services.ts";
import type { HttpCaller } from "./http-call.ts";
import { HttpWatch, type WatchHost } from "./http-watch.ts";
import { type ResponsePool, SharedResponse } from "./shared-response.ts";

/** Watches per response. A member takes 1,000 requests that wait until their caller's token is verified. */
const WATCHES_MAX = 500;
const RESPONSES_MAX = 2;

/** Node opens as many connections as are asked for. */
const RUNTIME = globalThis as { readonly process?: { readonly versions?: { readonly node?: string } } };

export class SharedWatches implements WatchHost, ResponsePool {
  watchesMax: number = WATCHES_MAX;
  readonly #caller: HttpCaller;
  readonly #responsesMax: number;
  readonly #responses: SharedResponse[] = [];
  readonly #places: Map<HttpWatch, SharedResponse> = new Map();

  constructor(
    caller: HttpCaller,
    responsesMax: number = RUNTIME.process?.versions?.node === undefined ? RESPONSES_MAX : Infinity,
  ) {
    this.#caller = caller;
    this.#responsesMax = responsesMax;
  }

  watch(context: CallContext): WatchStream {
    return new HttpWatch(this, context);
  }

  add(watch: HttpWatch): void {
    const response = this.#roomiest();
    this.#places.set(watch, response);
    response.add(watch);
  }

  changed(watch: HttpWatch): void {
    this.#places.get(watch)?.changed();
  }

  remove(watch: HttpWatch): void {
    this.#places.get(watch)?.remove(watch);
    this.#places.delete(watch);
  }

  oneEach(watches: readonly HttpWatch[]): void {
    this.watchesMax = 1;
    for (const watch of watches) {
      this.remove(watch);
      this.add(watch);
    }
  }

  failed(): void {
    this.watchesMax = WATCHES_MAX;
  }

  #roomiest(): SharedResponse {
    const first = this.#responses.find(({ size }) => size < this.watchesMax);
    if (first !== undefined) return first;
    if (this.#responses.length < this.#responsesMax) {
      const response = new SharedResponse(this.#caller, this);
      this.#responses.push(response);
      return response;
    }
    return this.#responses.reduce((least, each) => (each.size < least.size ? each : least));
  }
}
