/** Values in the JSON of etcd's gateway. 64-bit integers are strings there, so that JSON.parse loses none of their digits. */
import { unexpectedResponseError } from "./http-errors.ts";

export type Bag = Record<string, unknown>;

/** Thrown and caught in this file only. */
class NotTheMessage extends Error {}

/** Returns what `read` makes of a response. What it refuses is an error that shows the response. */
export function readMessage<Message>(endpoint: string, text: string, read: () => Message): Message {
  try {
    return read();
  } catch (error) {
    throw error instanceof NotTheMessage ? unexpectedResponseError(endpoint, text) : error;
  }
}

export function checked(type: "boolean" | "string", json: unknown): unknown {
  return typeof json === type ? json : refuse();
}

export function intOf(json: unknown): number {
  const value = typeof json === "string" && json !== "" ? Number(json) : json;
  return Number.isSafeInteger(value) ? (value as number) : refuse();
}

export function idOf(json: unknown): bigint {
  if (typeof json === "string" && /^-?\d{1,20}$/.test(json)) return BigInt(json);
  return Number.isSafeInteger(json) ? BigInt(json as number) : refuse();
}

/** The argument list of a call is bounded, so the bytes are converted in pieces. */
export function toBase64(bytes: Uint8Array): string {
  let units = "";
  for (let at = 0; at < bytes.length; at += PIECE) units += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return btoa(units);
}

const PIECE = 8_192;

/** Gateways write the standard alphabet; protojson accepts the other one, too. */
export function fromBase64(json: unknown): Uint8Array {
  const text = checked("string", json) as string;
  try {
    const units = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = new Uint8Array(units.length);
    for (let at = 0; at < units.length; at++) bytes[at] = units.charCodeAt(at);
    return bytes;
  } catch {
    return refuse();
  }
}

export function refuse(): never {
  throw new NotTheMessage();
}

export function isBag(json: unknown): json is Bag {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
