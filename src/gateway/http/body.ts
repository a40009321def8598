/**
 * Request bodies, bounded before they are held: what is too large is refused as gRPC refuses a message. What has arrived of
 * a body counts for its sender until the body is whole, and a body that does not go on is given up.
 */
import { concatAll, joined } from "../../base/bytes.ts";
import { errRequestTooManyRequests, EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { OpenShare } from "./caller-limits.ts";

/** What etcd's gRPC server leaves around its request limit for the rest of the message. */
const AROUND_REQUEST_BYTES = 512 * 1024;
const JSON_GROWTH = 2;

/**
 * As JSON a message grows: bytes by a third as base64, small operations by their field names. A body of twice the
 * limit is read; whether the message in it is too large, the member says by its own limit.
 */
export function bodyBytesFor(requestBytes: number): number {
  return JSON_GROWTH * (requestBytes + AROUND_REQUEST_BYTES);
}

export const MAX_BODY_BYTES: number = bodyBytesFor(1.5 * 1024 * 1024);

/**
 * What is refused is still taken from its sender, and thrown away as it comes: most clients send all of a body before
 * they look for an answer, and would only see a broken connection. Beyond this they do.
 */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;

/** A body that broke off halfway, as Go's server words it. */
export const errBrokenBody: EtcdError = new EtcdError(GrpcCode.InvalidArgument, "unexpected EOF");

/** A body that has stopped, or nearly. HTTP has a status of its own for it: 408. */
export const errSlowBody: EtcdError = new EtcdError(GrpcCode.DeadlineExceeded, "the request's body came too slowly");

/** Nothing more came for so long. */
const STALLED_MS = 10_000;
/** From then on so much must have come on average; a body of a put is then there within minutes over any network. */
const HURRY_AFTER_MS = 30_000;
const BYTES_PER_SECOND_MIN = 4 * 1024;
/** A body that says that it is no larger is not counted while it arrives: a connection costs as much. */
const SMALL_BYTES = 4 * 1024;

/** A mark of byte order is no JSON; etcd says so, and `Request.text` would leave it out. */
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
/** Stands for bytes that are no UTF-8; the reader of the JSON finds it, and says where. */
const NO_CHARACTER = "\udfff";

export async function readBody(request: Request, maxBytes: number, open?: OpenShare): Promise<string> {
  const declared = request.headers.get("content-length");
  if (declared === null || Number(declared) > Math.min(maxBytes, SMALL_BYTES)) {
    return readInPieces(request, maxBytes, declared, open);
  }
  const text = await whole(request);
  // Servers hold a sender to the length it declares; whoever hands requests in directly may declare anything.
  if (text.length > maxBytes) throw tooLarge(text.length, maxBytes);
  return text;
}

/** The body as it is; undefined when there is more of it. */
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
  /** None of them when there were too many. */
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
    // What is still to come is not waited for: its sender may never send it.
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

/** Rejects with `errSlowBody` when nothing came in time. */
export async function inTime<T>(read: Promise<T>): Promise<T> {
  let stop = (): void => {};
  const late = new Promise<never>((_resolve, reject) => {
    const timer = setTimeout(() => reject(errSlowBody), STALLED_MS);
    stop = () => clearTimeout(timer);
  });
  try {
    return await Promise.race([read, late]);
  } finally {
    stop();
  }
}
