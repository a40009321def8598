/** Request bodies, bounded before they are held: what is too large is refused as gRPC refuses a message. */
import { concatAll, joined } from "../base/bytes.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";

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

/** A mark of byte order is no JSON; etcd says so, and `Request.text` would leave it out. */
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
/** Stands for bytes that are no UTF-8; the reader of the JSON finds it, and says where. */
const NO_CHARACTER = "\udfff";

export async function readBody(request: Request, maxBytes: number): Promise<string> {
  const declared = request.headers.get("content-length");
  if (declared === null || Number(declared) > maxBytes) return readInPieces(request, maxBytes, declared);
  const text = await whole(request);
  // Servers hold a sender to the length it declares; whoever hands requests in directly may declare anything.
  if (text.length > maxBytes) throw tooLarge(text.length, maxBytes);
  return text;
}

/** The body as it is; undefined when there is more of it. */
export async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array | undefined> {
  const { pieces, bytes } = await taken(request, maxBytes);
  return bytes > maxBytes ? undefined : concatAll(pieces);
}

export function tooLarge(bytes: number, maxBytes: number): EtcdError {
  const text = `grpc: received message larger than max (${bytes} vs. ${maxBytes / JSON_GROWTH})`;
  return new EtcdError(GrpcCode.ResourceExhausted, text);
}

async function whole(request: Request): Promise<string> {
  try {
    return textOf(await request.arrayBuffer());
  } catch {
    throw errBrokenBody;
  }
}

function textOf(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return lenient.decode(bytes).replaceAll("\ufffd", NO_CHARACTER);
  }
}

async function readInPieces(request: Request, maxBytes: number, declared: string | null): Promise<string> {
  const { pieces, bytes } = await taken(request, maxBytes);
  if (bytes > maxBytes || declared !== null) throw tooLarge(Math.max(bytes, Number(declared)), maxBytes);
  return textOf(joined(pieces));
}

interface Taken {
  /** None of them when there were too many. */
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
}

async function taken(request: Request, maxBytes: number): Promise<Taken> {
  const reader = request.body?.getReader();
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  if (reader === undefined) return { pieces, bytes };
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      bytes += read.value.length;
      if (bytes <= maxBytes) pieces.push(read.value);
      else pieces = [];
      if (bytes > MAX_DISCARDED_BYTES) {
        await reader.cancel();
        break;
      }
    }
  } catch {
    throw errBrokenBody;
  }
  return { pieces, bytes };
}
