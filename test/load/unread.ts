/** Clients that send and never read: raw sockets, which hold back the network as no library would. */
import { connect, type Socket } from "node:net";

export interface Unread {
  readonly socket: Socket;
  /** Whether the other side has ended it. */
  isOver: boolean;
}

/** Sends, reads the first bytes of what comes, to be sure that it was heard, and then nothing any more. */
export function sendAndNotRead(url: string, bytes: Uint8Array, thenSend?: Uint8Array): Promise<Unread> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const unread: Unread = { socket, isOver: false };
    socket.once("error", reject);
    socket.once("connect", () => socket.write(bytes));
    socket.once("data", (answer: Buffer) => {
      const head = answer.toString("latin1", 0, 12);
      if (!/^HTTP\/1.1 (101|200)/.test(head)) return reject(new Error(`answered ${answer.toString("latin1", 0, 300)}`));
      socket.pause();
      if (thenSend !== undefined) socket.write(thenSend);
      socket.on("error", () => {
        unread.isOver = true;
      });
      socket.on("close", () => {
        unread.isOver = true;
      });
      resolve(unread);
    });
  });
}

export function postHead(url: string, path: string, body: string): Buffer {
  const { host } = new URL(url);
  const length = Buffer.byteLength(body);
  return Buffer.from(`POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${length}\r\n\r\n${body}`);
}

export function getHead(url: string, path: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: ${new URL(url).host}\r\n\r\n`);
}

export function webSocketHead(url: string, path: string): Buffer {
  const { host } = new URL(url);
  const upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";
  const key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${upgrade}${key}\r\n`);
}

/** As a client must send it, masked, with a mask of zeros. */
export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), payload]);
}
