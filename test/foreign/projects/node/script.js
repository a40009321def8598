import assert from "node:assert/strict";
import { compare, connect, EtcdError, GrpcCode, op } from "quorate";

const endpoint = process.argv[2];
const client = connect({ endpoint });

const put = await client.kv.put("script/colour", "blue");
const { kvs } = await client.kv.range("script/", { prefix: true });
assert.equal(client.toText(kvs[0].value), "blue");

const watcher = client.watch("script/colour", { startRevision: put.header.revision });
const { value } = await watcher.next();
assert.equal(client.toText(value.events[0].kv.value), "blue");
await watcher.return();

const swapped = await client.kv
  .txn()
  .if(compare.value("script/colour").equals("blue"))
  .then(op.put("script/colour", "red"))
  .commit();
assert.equal(swapped.succeeded, true);

const flags = client.namespace("script-flags/");
assert.equal((await flags.create("dark", { on: true })).created, true);
assert.deepEqual((await flags.update("dark", ({ on }) => ({ on: !on }))).value, { on: false });
const live = flags.live();
await live.ready;
assert.equal(live.get("dark").value.on, false);
live.close();
assert.equal(await client.withLock("script-lock", ({ fence }) => fence > 0), true);
assert.equal(client.connection.getSnapshot().state, "connected");

await assert.rejects(
  client.kv.put("", "x"),
  (error) => error instanceof EtcdError && error.code === GrpcCode.InvalidArgument,
);
assert.throws(() => connect({ endpoint: "no endpoint" }), /endpoint/);

await client.close();
await assert.rejects(client.kv.range("script/colour"), /closed/);

const aborted = new AbortController();
const other = connect({ endpoint, signal: aborted.signal });
aborted.abort();
await assert.rejects(other.kv.range("script/colour"), /closed/);
