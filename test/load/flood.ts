/**
 * Writers that put as fast as they are answered, in a process of their own until it is killed:
 *
 *   node test/load/flood.ts URL LOCAL_ADDRESS CONNECTIONS
 *
 * Says so once all are connected. Whoever is refused tries again at once.
 */
import { Connection } from "../bench/edge/connection.ts";
import { putRequest } from "../bench/edge/requests.ts";

const [url = "", localAddress, count = "512"] = process.argv.slice(2);
const connections = await Promise.all(Array.from({ length: Number(count) }, () => Connection.open(url, localAddress)));
const answered = new Map<number, number>();
console.log("flooding");
for (const [at, connection] of connections.entries()) void put(connection, putRequest(url, at));
process.once("SIGTERM", () => {
  console.log(JSON.stringify(Object.fromEntries(answered)));
  process.exit(0);
});

async function put(connection: Connection, request: Buffer): Promise<void> {
  for (;;) {
    const { status } = await connection.send(request);
    answered.set(status, (answered.get(status) ?? 0) + 1);
  }
}
