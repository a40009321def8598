/**
 * Where the state of sockets is while their object is not in memory. How far the watches have come changes with each
 * event, and is always in the socket's attachment, which costs nothing. The watches themselves are there too if they fit;
 * otherwise they are stored, and written again only when they have changed.
 */
import { equalBytes } from "../../src/base/bytes.ts";
import type { SavedSocket } from "../../src/gateway/stream/hibernation.ts";
import type { Attachment, ClientSocket } from "./client-socket.ts";

const PREFIX = "socket ";
/** Of the 16 KB of an attachment; the rest is for the progress and the form. */
const ATTACHED_BYTES_MAX = 8 * 1024;
/** A value is limited to 2 MB with its key. */
const VALUE_BYTES_MAX = 1024 * 1024;
/** Limit of a socket, in bytes. One with more keeps its object in memory. */
const STORED_BYTES_MAX = 16 * 1024 * 1024;

export class SavedSockets {
  readonly #kv: SyncKvStorage;
  /** What is stored, of the sockets that were read or written since the object was loaded. */
  readonly #stored: Map<string, Uint8Array> = new Map();

  constructor(kv: SyncKvStorage) {
    this.#kv = kv;
  }

  /** Returns undefined if nothing that holds was saved. */
  read({ id, saved }: Attachment): SavedSocket | undefined {
    if (saved === undefined) return undefined;
    const streams = saved.streams ?? this.#read(id);
    return streams === undefined ? undefined : { streams, progress: saved.progress };
  }

  /** Returns false if it is too much. */
  write(socket: ClientSocket, { streams, progress }: SavedSocket): boolean {
    if (streams.length > STORED_BYTES_MAX) return false;
    if (streams.length <= ATTACHED_BYTES_MAX) {
      this.delete(socket.id);
      socket.attach({ streams, progress });
      return true;
    }
    const stored = this.#stored.get(socket.id);
    if (stored === undefined || !equalBytes(stored, streams)) this.#write(socket.id, streams);
    socket.attach({ streams: undefined, progress });
    return true;
  }

  delete(id: string): void {
    if (this.#stored.delete(id)) for (const key of this.#keysOf(id)) this.#kv.delete(key);
  }

  /** Deletes what sockets left that are not open any more. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const [key] of this.#kv.list({ prefix: PREFIX })) {
      const [, id = ""] = key.split(" ");
      if (!ids.has(id)) this.#kv.delete(key);
    }
    for (const id of this.#stored.keys()) if (!ids.has(id)) this.#stored.delete(id);
  }

  #write(id: string, streams: Uint8Array): void {
    for (const key of this.#keysOf(id)) this.#kv.delete(key);
    for (let at = 0; at < streams.length; at += VALUE_BYTES_MAX) {
      this.#kv.put(`${PREFIX}${id} ${partOf(at)}`, streams.slice(at, at + VALUE_BYTES_MAX));
    }
    this.#stored.set(id, streams);
  }

  #read(id: string): Uint8Array | undefined {
    const parts = [...this.#kv.list<Uint8Array>({ prefix: `${PREFIX}${id} ` })].map(([, part]) => part);
    if (parts.length === 0) return undefined;
    const streams = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      streams.set(part, at);
      at += part.length;
    }
    this.#stored.set(id, streams);
    return streams;
  }

  #keysOf(id: string): readonly string[] {
    return [...this.#kv.list({ prefix: `${PREFIX}${id} ` })].map(([key]) => key);
  }
}

/** In the order of the parts. */
function partOf(at: number): string {
  return String(at / VALUE_BYTES_MAX).padStart(3, "0");
}
