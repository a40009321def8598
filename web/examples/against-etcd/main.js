/**
 * One deploy at a time, whoever starts it: a lock, a counter and a log of what was done, in an etcd or in Quorate.
 *
 *   node main.js http://127.0.0.1:2379 VERSION
 *
 * Start it twice at once. Prints what it did as a line of JSON.
 */
import { connect } from "quorate";

const [endpoint = "http://127.0.0.1:2379", version = "v1"] = process.argv.slice(2);
const client = connect({ endpoint });
/** @type {import("quorate").Namespace<{ readonly version: string, readonly from: number, readonly to: number }>} */
const deploys = client.namespace("deploys/");

const done = await client.withLock("deploy", async (lock) => {
  const from = Date.now();
  // Two who deploy at once would both read the same number here.
  const number = await client.transaction(async (tx) => {
    const next = Number((await tx.get("deploy-count")) ?? "0") + 1;
    tx.put("deploy-count", String(next));
    return next;
  });
  await work(lock.signal);
  const { value } = await deploys.put(String(number).padStart(6, "0"), { version, from, to: Date.now() });
  return { number, ...value };
});
console.log(JSON.stringify(done));
await client.close();

/**
 * The deploy itself. It stops when the lock is lost.
 *
 * @param {AbortSignal} signal
 */
async function work(signal) {
  await new Promise((resolve) => setTimeout(resolve, 200));
  signal.throwIfAborted();
}
