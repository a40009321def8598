/** Quorate at the edge: the built worker under workerd, with three members on disks of their own. */
import { EdgeFolder } from "../bench/edge/server.ts";
import { HttpTarget } from "./http-target.ts";

const READY_LOOK_MS = 50;
const READY_LOOKS = 400;

export async function startEdge(): Promise<HttpTarget> {
  const folder = await EdgeFolder.make();
  const server = await folder.start();
  await ready(server.url);
  return new HttpTarget(server.url, {
    changeLeader: () => moveLeader(server.url),
    stop: async () => {
      await server.stop();
      await folder.remove();
    },
  });
}

async function ready(url: string): Promise<void> {
  for (let look = 0; look < READY_LOOKS; look++) {
    const response = await fetch(`${url}/health`).catch(() => undefined);
    await response?.text();
    if (response?.ok === true) return;
    await new Promise((resolve) => {
      setTimeout(resolve, READY_LOOK_MS);
    });
  }
  throw new Error("the edge did not get ready");
}

/** To whoever stands next in the list of members. */
async function moveLeader(url: string): Promise<void> {
  const { leader } = await post<{ leader: string }>(`${url}/v3/maintenance/status`, {});
  const { members } = await post<{ members: { ID: string }[] }>(`${url}/v3/cluster/member/list`, {});
  const other = members.find(({ ID }) => ID !== leader);
  await post(`${url}/v3/maintenance/transfer-leadership`, { targetID: other?.ID });
}

async function post<T>(url: string, body: unknown): Promise<T> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
  return JSON.parse(text) as T;
}
