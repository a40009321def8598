/** Uses everything of a client, closes it, and has nothing left to do: the process must end by itself. */
import { connect } from "../../../src/client/app/connect.ts";

const [, , endpoint = ""] = process.argv;
const client = connect({ endpoint });
const flags = client.namespace<boolean>("flags/");
await flags.put("dark", true);
const live = flags.live();
await live.ready;
const lock = await client.acquire("lock", { ttl: 60 });
const leadership = await client.lead("election", "me", { ttl: 60 });
const here = await client.presence("room/", { name: "me" });
const { id } = await client.lease.grant(60);
client.lease.keepAlive(id);
const watcher = client.watch("k");
await watcher.created;
await client.transaction(async (tx) => tx.put("a", (await tx.get("a")) ?? ""));
void client.lock.lock("lock").catch(() => {});
await client.auth.status();
await client.cluster.members();
await client.maintenance.alarms();
await client.close();
// Held until here.
console.log(["closed", lock.signal.aborted, leadership.signal.aborted, typeof here, live.isStale].length);
