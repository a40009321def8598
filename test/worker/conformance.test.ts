/** What a real etcd v3.7.1 answered, played to the three members at the edge, in workerd. */
import { expect, test } from "vitest";
import edgeCases from "../conformance/fixtures/edge.jsonl?raw";
import { play } from "../conformance/play.ts";
import { answerOf, begun, initOf, LineStream } from "../conformance/target.ts";
import type { Answer, Request as TargetRequest, Target, TargetStream, Waiting } from "../conformance/target.ts";
import { edge, leaderNumber } from "./support/edge-kit.ts";

class EdgeTarget implements Target {
  call(request: TargetRequest): Promise<Answer> {
    return fetched(request);
  }

  begin(request: TargetRequest): Waiting {
    return begun((signal) => fetched(request, signal));
  }

  async open(path: string, token: string | undefined, body: string | undefined): Promise<TargetStream> {
    if (body !== undefined) {
      const headers: Record<string, string> = token === undefined ? {} : { authorization: token };
      return new LineStream((signal) => edge(path, { method: "POST", headers, body, signal }));
    }
    const headers: Record<string, string> = { upgrade: "websocket" };
    if (token !== undefined) headers["sec-websocket-protocol"] = `Bearer, ${token}`;
    const { webSocket } = await edge(path, { headers });
    if (webSocket === null) throw new Error("the edge refused a WebSocket");
    return new EdgeSocket(webSocket);
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
  }

  async changeLeader(): Promise<void> {}

  async stop(): Promise<void> {}
}

class EdgeSocket implements TargetStream {
  readonly frames: string[] = [];
  ended = false;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => void this.frames.push(String(data)));
    socket.addEventListener("close", () => {
      this.ended = true;
    });
    socket.accept();
  }

  send(text: string): void {
    if (!this.ended) this.#socket.send(text);
  }

  close(): void {
    this.#socket.close();
  }
}

async function fetched(request: TargetRequest, signal?: AbortSignal): Promise<Answer> {
  const init = initOf(request);
  // Nobody else may be asked this, in etcd too.
  if (request.path === "/v3/maintenance/transfer-leadership") {
    return answerOf(await edge(`/m/${await leaderNumber()}${request.path}`, init));
  }
  return answerOf(await edge(request.path, signal === undefined ? init : { ...init, signal }));
}

test("three members at the edge respond as etcd did", async () => {
  const { steps, differences } = await play(edgeCases, new EdgeTarget());
  expect(differences).toEqual([]);
  expect(steps).toBeGreaterThan(100);
});
