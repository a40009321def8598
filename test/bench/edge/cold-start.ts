/** How long a server that has just been started takes to answer, with data of an earlier run. */
import { Connection } from "./connection.ts";
import { putRequest, rangeRequest } from "./requests.ts";
import type { EdgeFolder } from "./server.ts";

export interface ColdStart {
  /** Until workerd listens: what comes before us. */
  readonly listeningMs: number[];
  /** From the start of the process to the first answer, each in a start of its own. */
  readonly rangeMs: number[];
  readonly putMs: number[];
}

export async function coldStarts(folder: EdgeFolder, times: number): Promise<ColdStart> {
  const listeningMs: number[] = [];
  const timed = async (requestTo: (url: string) => Buffer): Promise<number> => {
    const startMs = performance.now();
    const server = await folder.start();
    listeningMs.push(performance.now() - startMs);
    const connection = await Connection.open(server.url);
    const { status, body } = await connection.send(requestTo(server.url));
    const tookMs = performance.now() - startMs;
    connection.close();
    await server.stop();
    if (status !== 200) throw new Error(`the first request was answered ${status}: ${body.toString()}`);
    return tookMs;
  };
  const rangeMs: number[] = [];
  const putMs: number[] = [];
  for (let time = 0; time < times; time++) {
    rangeMs.push(await timed((url) => rangeRequest(url, 500 + time, true)));
    putMs.push(await timed((url) => putRequest(url, 500 + time)));
  }
  return { listeningMs, rangeMs, putMs };
}
