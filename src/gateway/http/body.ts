/**
 * Reads request bodies, bounded before they are buffered. A body that is too large is rejected as gRPC rejects a
 * message. The received part of a body counts against the sender's budget until the body is complete. A stalled body is
 * rejected.
 */
import { concatAll, joined } from "../../base/bytes.ts";
import { errRequestTooManyRequests, EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { OpenShare } from "./caller-limits.ts";

/** Room that etcd's gRPC server adds to its request limit for the rest of the message. */
const AROUND_REQUEST_BYTES = 512 * 1024;
const JSON_GROWTH = 2;

/**
 * Returns the limit of a body for a limit of requests. A message is larger as JSON: bytes by a third as base64, small
 * operations by their field names. So a body of twice the limit is read, and the member checks the message in it by its
 * own limit.
 */
export function bodyBytesFor(requestBytes: number): number {
  return JSON_GROWTH * (requestBytes + AROUND_REQUEST_BYTES);
}

export const MAX_BODY_BYTES: number = bodyBytesFor(1.5 * 1024 * 1024);

/**
 * A rejected body is still received up to this limit, and discarded. Most clients send all of a body before they read
 * the response, and would otherwise only see a broken connection.
 */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;

/** The body ended early. The text is that of Go's server. */
export const errBrokenBody: EtcdError = new EtcdError(GrpcCode.InvalidArgument, "unexpected EOF");

/** The body has stalled, or nearly. HTTP has a status of its own for it: 408. */
export const errSlowBody: EtcdError = new EtcdError(GrpcCode.DeadlineExceeded, "the request's body came too slowly");

/** Maximum time in which nothing arrives. */
const STALLED_MS = 10_000;
/**
 * After this time a minimum average rate is required. At that rate the body of a put arrives within minutes over any
 * network.
 */
const HURRY_AFTER_MS = 30_000;
const BYTES_PER_SECOND_MIN = 4 * 1024;
/** A body that declares no more than this is not counted while it arrives: its connection costs as much. */
const SMALL_BYTES = 4 * 1024;

/** etcd rejects a byte order mark in JSON; `Request.text` would remove it. */
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
/** Stands for bytes that are not UTF-8. The JSON decoder finds it and reports its position. */
const NO_CHARACTER = "\udfff";

export async function readBody(request: Request, maxBytes: number, open?: OpenShare): Promise<string> {
  const declared = request.headers.get("content-length");
  if (declared === null || Number(declared) > Math.min(maxBytes, SMALL_BYTES)) {
    return readInPieces(request, maxBytes, declared, open);
  }
  const text = await whole(request);
  // Servers enforce the declared length. A caller that passes a Request directly may declare any.
  if (text.length > maxBytes) throw tooLarge(text.length, maxBytes);
  return text;
}

/** Returns the body as bytes; undefined if it is longer than the limit. */
export async function readBytes(request: Request, maxBytes: number, open?: OpenShare): Promise<Uint8Array | undefined> {
  const { pieces, bytes } = await taken(request, maxBytes, open);
  return bytes > maxBytes ? undefined : concatAll(pieces);
}

export function tooLarge(bytes: number, maxBytes: number): EtcdError {
  const text = `grpc: received message larger than max (${bytes} vs. ${maxBytes / JSON_GROWTH})`;
  return new EtcdError(GrpcCode.ResourceExhausted, text);
}

async function whole(request: Request): Promise<string> {
  try {
    return textOf(await inTime(request.arrayBuffer()));
  } catch (error) {
    throw error === errSlowBody ? error : errBrokenBody;
  }
}

function textOf(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return lenient.decode(bytes).replaceAll("\ufffd", NO_CHARACTER);
  }
}

async function readInPieces(
  request: Request,
  maxBytes: number,
  declared: string | null,
  open: OpenShare | undefined,
): Promise<string> {
  const { pieces, bytes } = await taken(request, maxBytes, open);
  if (bytes > maxBytes || Number(declared) > maxBytes) throw tooLarge(Math.max(bytes, Number(declared)), maxBytes);
  return textOf(joined(pieces));
}

interface Taken {
  /** Empty if the body was too long. */
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
}

async function taken(request: Request, maxBytes: number, open: OpenShare | undefined): Promise<Taken> {
  const reader = request.body?.getReader();
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  if (reader === undefined) return { pieces, bytes };
  const share = open?.();
  const sinceMs = Date.now();
  try {
    for (let read = await inTime(reader.read()); !read.done; read = await inTime(reader.read())) {
      bytes += read.value.length;
      checkPace(bytes, Date.now() - sinceMs);
      if (bytes <= maxBytes) {
        if (share?.grow(read.value.length) === false) throw errRequestTooManyRequests;
        pieces.push(read.value);
      } else {
        if (pieces.length > 0) share?.release();
        pieces = [];
      }
      if (bytes > MAX_DISCARDED_BYTES) {
        await reader.cancel();
        break;
      }
    }
  } catch (error) {
    if (!(error instanceof EtcdError)) throw errBrokenBody;
    // The rest is not awaited: the sender may never send it.
    reader.cancel().catch(() => undefined);
    throw error;
  } finally {
    share?.release();
  }
  return { pieces, bytes };
}

function checkPace(bytes: number, forMs: number): void {
  if (forMs > HURRY_AFTER_MS && bytes < (forMs / 1_000) * BYTES_PER_SECOND_MIN) throw errSlowBody;
}

/** Rejects with `errSlowBody` if nothing arrives in time. */
export async function inTime<T>(read: Promise<T>): Promise<T> {
  let stop = (): void => {};
  const timedOut = new Promise<never>((_resolve, reject) => {
    const timer = setTimeout(() => reject(errSlowBody), STALLED_MS);
    stop = () => clearTimeout(timer);
  });
  try {
    return await Promise.race([read, timedOut]);
  } finally {
    stop();
  }
}
