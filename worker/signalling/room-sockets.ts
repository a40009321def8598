/** The sockets of a room, whose attachments outlive a hibernation. */

export interface Attachment {
  readonly id: string;
  readonly token: string;
  readonly seenMs: number;
  /** Another socket has replaced this one, which is about to close. */
  readonly replaced: boolean;
  readonly address: string;
  /** Hash of the key that was sent for this socket. */
  readonly keyHash: string | undefined;
}

export function attachmentOf(socket: WebSocket): Attachment | undefined {
  return (socket.deserializeAttachment() as Attachment | null) ?? undefined;
}

export function replace(socket: WebSocket): void {
  const attachment = attachmentOf(socket);
  if (attachment === undefined || attachment.replaced) return;
  socket.serializeAttachment({ ...attachment, replaced: true });
  socket.close(1000, "replaced");
}

export function expel(socket: WebSocket, reason: string): void {
  const attachment = attachmentOf(socket);
  if (attachment !== undefined) socket.serializeAttachment({ ...attachment, replaced: true });
  if (socket.readyState !== WebSocket.CLOSED) socket.close(1008, reason);
}

export function refuse(socket: WebSocket, msg: string): void {
  socket.send(JSON.stringify(errorOf(msg)));
  socket.close(1008, msg);
}

export function errorOf(msg: string): object {
  return { type: "ERROR", payload: { msg } };
}
