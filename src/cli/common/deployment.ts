/** Calls of what Quorate serves beside etcd's API: a restore, the list of clusters, backups. */
import { EtcdError, GrpcCode } from "../../client/client.ts";
import { grpcCodeOf } from "../../protocol/errors.ts";

export interface Place {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly timeoutMs: number;
  /** The endpoint's setup token; empty for an open endpoint. */
  readonly token: string;
}

/** Posts to a path and returns the JSON of the response. Rejects with EtcdError. `what` completes "URL cannot …". */
export async function postTo<Answer>(
  place: Place,
  path: string,
  what: string,
  body: Uint8Array | string = new Uint8Array(),
): Promise<Answer> {
  return JSON.parse(await (await posted(place, path, what, body)).text()) as Answer;
}

/** The same for a response that is a file. */
export async function postForBody(place: Place, path: string, what: string): Promise<ReadableStream<Uint8Array>> {
  const { body } = await posted(place, path, what, new Uint8Array());
  return body ?? new ReadableStream<Uint8Array>();
}

async function posted(
  { endpoint, timeoutMs, token }: Place,
  path: string,
  what: string,
  body: Uint8Array | string,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${endpoint}${path}`, {
      method: "POST",
      headers: token === "" ? {} : { authorization: `Bearer ${token}` },
      body: body as Uint8Array<ArrayBuffer> | string,
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    throw new EtcdError(GrpcCode.Unavailable, `no answer from ${endpoint}: ${reasonOf(error)}`);
  }
  if (response.ok) return response;
  const text = await response.text();
  const { code, message } = answerOf(text);
  if (message !== undefined && message !== "Not Found") {
    throw new EtcdError(grpcCodeOf(code ?? GrpcCode.Unknown), message);
  }
  throw new EtcdError(
    GrpcCode.Unimplemented,
    `${endpoint} cannot ${what} (HTTP ${response.status}): is it a Quorate's?`,
  );
}

function answerOf(text: string): { readonly code?: number; readonly message?: string } {
  try {
    return JSON.parse(text) as { readonly code?: number; readonly message?: string };
  } catch {
    return {};
  }
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
