/**
 * The worker inside which the tests of this folder run: nothing but the Durable Objects that they need, because
 * `runInDurableObject` and `evictDurableObject` reach only objects of the main worker.
 */
import { DurableObject } from "cloudflare:workers";

/** An object without behaviour, whose SQLite storage the tests work on through `runInDurableObject`. */
export class TestStore extends DurableObject {}

const worker: ExportedHandler = {
  fetch: () => new Response("the tests' own worker", { status: 404 }),
};

export default worker;
