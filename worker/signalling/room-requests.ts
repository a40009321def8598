/** What clients send to a room, parsed and bounded. */

const PEER_ID = /^[A-Za-z0-9]+(?:[ _-][A-Za-z0-9]+)*$/;
const MAX_ID_LENGTH = 64;
const MAX_TOKEN_LENGTH = 128;
const MAX_MESSAGE_LENGTH = 64 * 1024;
const MAX_BODY_BYTES = 4096;

export function isPeerId(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_ID_LENGTH && PEER_ID.test(value);
}

export function isToken(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_TOKEN_LENGTH;
}

interface Message {
  readonly type: string;
  /** Empty if not given. */
  readonly dst: string;
  readonly payload: unknown;
  readonly length: number;
}

export function parseMessage(message: string | ArrayBuffer): Message | undefined {
  if (typeof message !== "string" || message.length > MAX_MESSAGE_LENGTH) return undefined;
  const parsed = parseObject(message);
  if (parsed === undefined) return undefined;
  const { type, dst = "", payload } = parsed;
  if (typeof type !== "string" || typeof dst !== "string" || dst.length > MAX_ID_LENGTH) return undefined;
  return { type, dst, payload, length: message.length };
}

export interface ClaimIds {
  readonly cluster: string;
  /** Empty if not given. */
  readonly member: string;
}

export function parseClaim(body: Record<string, unknown> | undefined): ClaimIds | undefined {
  if (body === undefined) return undefined;
  const { cluster, member = "" } = body;
  if (!isId(cluster) || (member !== "" && !isId(member))) return undefined;
  return { cluster, member };
}

function isId(value: unknown): value is string {
  return typeof value === "string" && /^[1-9][0-9]{0,19}$/.test(value) && BigInt(value) < 1n << 64n;
}

export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Returns undefined if the body is longer than that of any valid request. No more than that is read. */
export async function boundedText(request: Request, maxBytes: number = MAX_BODY_BYTES): Promise<string | undefined> {
  if (request.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const part of request.body as ReadableStream<Uint8Array>) {
    bytes += part.length;
    if (bytes > maxBytes) return undefined;
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}
