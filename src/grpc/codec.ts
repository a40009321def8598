/** Our codecs in the form that grpc-js requires. */
import { unreadableRequest } from "../protocol/decode-error.ts";
import type { EtcdError } from "../protocol/errors.ts";
import { decode, encode } from "../protocol/codec/proto-codec.ts";
import type { Schema } from "../protocol/codec/schema.ts";

/** Far more than a real request of 2 MiB has; two bytes would make a message each. */
const MESSAGES_MAX = 1 << 16;

/** A message that is passed on as it was received. */
export type Encoded = Uint8Array;

export function serializer<Message>(schema: Schema<Message>): (message: Message | Encoded) => Buffer {
  return (message) => {
    const bytes = message instanceof Uint8Array ? message : encode(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

export function deserializer<Message>(schema: Schema<Message>): (buffer: Buffer) => Message {
  // A plain view, because a Buffer's `slice` differs from a Uint8Array's.
  return ({ buffer, byteOffset, byteLength }) =>
    decode(schema, new Uint8Array(buffer, byteOffset, byteLength), { messagesMax: MESSAGES_MAX });
}

/**
 * The same for requests. grpc-js would respond to an error thrown here with its own text. So an unreadable request is
 * passed on, and `readable` rejects it as etcd does.
 */
export function requestDeserializer<Request>(schema: Schema<Request>): (buffer: Buffer) => Request | Unreadable {
  const deserialize = deserializer(schema);
  return (buffer) => {
    try {
      return deserialize(buffer);
    } catch (error) {
      return new Unreadable(unreadableRequest(error));
    }
  };
}

export class Unreadable {
  readonly error: EtcdError;

  constructor(error: EtcdError) {
    this.error = error;
  }
}

export function readable<Request>(request: Request | Unreadable): Request {
  if (request instanceof Unreadable) throw request.error;
  return request;
}
