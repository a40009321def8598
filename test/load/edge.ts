/** Clients of the edge that ask for all events and take none: what that costs workerd, with all three members in it. */
import { readFileSync } from "node:fs";
import { buildAll } from "../../worker/local/build.ts";
import { EdgeFolder } from "../bench/edge/server.ts";
import type { Cost } from "./scenarios.ts";
import { getHead, postHead, sendAndNotRead, textFrame, type Unread, webSocketHead } from "./unread.ts";

const VALUE = Buffer.alloc(256 * 1024, 0x76).toString("base64");
const CREATE = JSON.stringify({ create_request: { key: btoa("load/"), range_end: btoa("load0") } });
/** All at one member. */
const WATCH_PATH = "/m/1/v3/watch";

export async function unreadAtTheEdge(scale: number): Promise<readonly Cost[]> {
  await buildAll();
  const folder = await EdgeFolder.make();
  const edge = await folder.start();
  const { url, pid } = edge;
  const [each, puts] = [Math.round(33 * scale), Math.round(200 * scale)];
  try {
    // Until the logs hold as much as they ever will.
    await longestPut(url, 300);
    const before = residentBytes(pid);
    const unread: Unread[] = [];
    for (let at = 0; at < each; at++) {
      unread.push(await sendAndNotRead(url, webSocketHead(url, WATCH_PATH), textFrame(CREATE)));
      unread.push(await sendAndNotRead(url, postHead(url, WATCH_PATH, CREATE)));
      unread.push(await sendAndNotRead(url, getHead(url, "/m/1/kv/load/?prefix&watch")));
    }
    const longestMs = await longestPut(url, puts);
    const held = (residentBytes(pid) - before) / unread.length;
    for (const { socket } of unread) socket.destroy();
    const what = `memory of workerd for each of ${unread.length} who read nothing of ${puts / 4} MiB`;
    return [
      { what, value: held, unit: "bytes" },
      { what: "longest wait of a put meanwhile", value: longestMs, unit: "ms" },
    ];
  } finally {
    await edge.stop();
    await folder.remove();
  }
}

async function longestPut(url: string, puts: number): Promise<number> {
  const body = JSON.stringify({ key: btoa("load/a"), value: VALUE });
  let longestMs = 0;
  for (let at = 0; at < puts; at++) {
    const startMs = performance.now();
    const response = await fetch(`${url}/v3/kv/put`, { method: "POST", body });
    const text = await response.text();
    if (!response.ok) throw new Error(`a put was answered ${response.status}: ${text}`);
    longestMs = Math.max(longestMs, performance.now() - startMs);
  }
  return longestMs;
}

/** Where Linux tells it. */
function residentBytes(pid: number): number {
  const [, kilobytes = "NaN"] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}
