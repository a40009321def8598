/**
 * A signalling server that lies, built into the page's WebSockets: it answers every offer itself, makes another one to the
 * peer that was meant, and passes on what comes by the one connection over the other. Both ends see a member's name, a
 * connection that works, and a certificate that is the liar's.
 */
interface Message {
  readonly type: string;
  readonly dst: string;
  readonly payload: {
    readonly sdp: RTCSessionDescriptionInit;
    readonly candidate: RTCIceCandidateInit;
    readonly connectionId: string;
    readonly label: string;
  };
}

interface Bridge {
  readonly toDialer: RTCPeerConnection;
  readonly toDialed: RTCPeerConnection;
  readonly dialer: string;
  /** What is done with the two, in turn. */
  work: Promise<unknown>;
}

export class LyingSignalling {
  /** First bytes of all that went through, by whose it was. */
  readonly heard: { readonly from: string; readonly type: number }[] = [];
  readonly #sockets: Map<string, WebSocket> = new Map();
  readonly #bridges: Map<string, Bridge> = new Map();
  readonly #honest: typeof WebSocket = WebSocket;
  #closed: () => void = () => {};
  /** A bridge that had opened was closed by one of its ends. */
  readonly bridgeClosed: Promise<void> = new Promise((resolve) => (this.#closed = resolve));

  /** From now on, for all sockets that this page opens. */
  start(): void {
    const register = (id: string, socket: WebSocket): void => void this.#sockets.set(id, socket);
    const intercept = (id: string, text: string): boolean => this.#intercept(id, JSON.parse(text) as Message);
    globalThis.WebSocket = class extends this.#honest {
      readonly #id: string;

      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        this.#id = new URL(url).searchParams.get("id") ?? "";
        register(this.#id, this);
      }

      override send(data: Parameters<WebSocket["send"]>[0]): void {
        if (typeof data !== "string" || !intercept(this.#id, data)) super.send(data);
      }
    };
  }

  stop(): void {
    globalThis.WebSocket = this.#honest;
    for (const { toDialer, toDialed } of this.#bridges.values()) for (const end of [toDialer, toDialed]) end.close();
  }

  #intercept(from: string, message: Message): boolean {
    if (message.type === "OFFER") this.#build(from, message);
    const bridge = this.#bridges.get(message.payload?.connectionId);
    if (bridge === undefined) return false;
    const end = from === bridge.dialer ? bridge.toDialer : bridge.toDialed;
    if (message.type === "ANSWER") bridge.work = bridge.work.then(() => end.setRemoteDescription(message.payload.sdp));
    if (message.type === "CANDIDATE") {
      bridge.work = bridge.work.then(() => end.addIceCandidate(message.payload.candidate)).catch(() => {});
    }
    return true;
  }

  #build(dialer: string, { dst, payload }: Message): void {
    const [toDialer, toDialed] = [new RTCPeerConnection(), new RTCPeerConnection()];
    const near = new Promise<RTCDataChannel>((resolve) => {
      toDialer.addEventListener("datachannel", ({ channel }) => resolve(channel));
    });
    const far = toDialed.createDataChannel(payload.label, { ordered: true });
    this.#pass(dialer, near, Promise.resolve(far));
    this.#pass(dst, Promise.resolve(far), near);
    const say = (to: string, src: string, type: string, sdp: unknown): void => {
      const data = JSON.stringify({ type, src, dst: to, payload: { ...payload, sdp } });
      this.#sockets.get(to)?.dispatchEvent(new MessageEvent("message", { data }));
    };
    const work = (async () => {
      await toDialer.setRemoteDescription(payload.sdp);
      await toDialer.setLocalDescription(await toDialer.createAnswer());
      await toDialed.setLocalDescription(await toDialed.createOffer());
      await Promise.all([toDialer, toDialed].map(gathered));
      say(dialer, dst, "ANSWER", toDialer.localDescription);
      say(dst, dialer, "OFFER", toDialed.localDescription);
    })();
    this.#bridges.set(payload.connectionId, { toDialer, toDialed, dialer, work });
  }

  #pass(from: string, source: Promise<RTCDataChannel>, target: Promise<RTCDataChannel>): void {
    void Promise.all([source, target]).then(([channel, other]) => {
      channel.binaryType = "arraybuffer";
      const opened = new Promise((resolve) => other.addEventListener("open", resolve));
      let turn: Promise<unknown> = other.readyState === "open" ? Promise.resolve() : opened;
      channel.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer>) => {
        this.heard.push({ from, type: new Uint8Array(data)[0] ?? 0 });
        turn = turn.then(() => other.readyState === "open" && other.send(data));
      });
      channel.addEventListener("close", () => {
        other.close();
        this.#closed();
      });
    });
  }
}

function gathered(connection: RTCPeerConnection): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (connection.iceGatheringState === "complete") resolve();
    };
    connection.addEventListener("icegatheringstatechange", look);
    look();
  });
}
