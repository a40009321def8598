/** A server that answers as a test says, to bring about what a healthy one does not. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { listen } from "./served-member.ts";

export interface StubServer {
  readonly endpoint: string;
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export async function startStub(
  answer: (request: IncomingMessage, response: ServerResponse, attempt: number) => void,
): Promise<StubServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    request.resume();
    request.on("end", () => answer(request, response, requests.length));
  });
  const endpoint = await listen(server);
  return {
    endpoint,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}
