/** Quorate in this process: members in memory under a clock of their own, behind the JSON gateway. */
import { gatewayApp } from "../../src/gateway/app.ts";
import type { WebSocketLike } from "../../src/gateway/websocket.ts";
import { createServices } from "../../src/member/member-services.ts";
import { PLAIN } from "../member/auth-kit.ts";
import { Cluster } from "../member/cluster.ts";
import type { Node } from "../member/cluster.ts";
import { answerOf, initOf, LineStream } from "./target.ts";
import type { Answer, Request as TargetRequest, Target, TargetStream, Waiting } from "./target.ts";

/** Virtual time passes faster than that of a real etcd beside it. */
const TOKEN_TTL_MS = 1_000_000_000;

type App = ReturnType<typeof gatewayApp>;

export class MemoryTarget implements Target {
  readonly #cluster: Cluster;
  readonly #apps: Map<bigint, App> = new Map();
  #socket: MemorySocket | undefined;
  #turn = 0;

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
    for (const node of cluster.nodes.values()) this.#apps.set(node.id, this.#appOf(node));
  }

  static async open(memberCount: number, seed: number): Promise<MemoryTarget> {
    const cluster = await Cluster.founded(memberCount, { authTokenTtlMs: TOKEN_TTL_MS }, seed);
    await cluster.elected();
    return new MemoryTarget(cluster);
  }

  async call(request: TargetRequest): Promise<Answer> {
    const answer = await this.#cluster.settled(this.#fetch(this.#nextApp(), request));
    await this.#applied();
    return answer;
  }

  begin(request: TargetRequest): Waiting {
    const controller = new AbortController();
    let answer: Answer | undefined;
    const answered = (given: Answer): void => {
      answer = given;
    };
    this.#fetch(this.#nextApp(), request, controller.signal).then(answered, () => {});
    return {
      get answer() {
        return answer;
      },
      abandon: () => controller.abort(),
    };
  }

  async open(path: string, token: string | undefined, body: string | undefined): Promise<TargetStream> {
    if (body !== undefined) {
      const authorization: Record<string, string> = token === undefined ? {} : { authorization: token };
      const init = { method: "POST", headers: authorization, body };
      const app = this.#nextApp();
      return new LineStream((signal) =>
        Promise.resolve(app.fetch(new Request(`http://edge${path}`, { ...init, signal }))),
      );
    }
    const headers: Record<string, string> = { upgrade: "websocket" };
    if (token !== undefined) headers["sec-websocket-protocol"] = `Bearer, ${token}`;
    this.#socket = new MemorySocket();
    const stream = this.#socket;
    await this.#cluster.settled(Promise.resolve(this.#nextApp().fetch(new Request(`http://edge${path}`, { headers }))));
    return stream;
  }

  pause(ms: number): Promise<void> {
    return this.#cluster.clock.advance(ms);
  }

  /** The leader is cut off until the others have chosen another one, and comes back. */
  async changeLeader(): Promise<void> {
    const { nodes, network, clock } = this.#cluster;
    if (nodes.size < 2) throw new Error("a single member leads for ever");
    const { id } = await this.#cluster.elected();
    const others = [...nodes.values()].filter((node) => node.id !== id);
    for (const other of others) network.setLink(id, other.id, false);
    await clock.until(() => others.some(({ member }) => member.status().role === "leader"), "another one leads");
    for (const other of others) network.setLink(id, other.id, true);
    await clock.until(() => this.#leaders().length === 1, "one leader is left");
    await this.#cluster.elected();
    await this.#applied();
  }

  async stop(): Promise<void> {
    for (const node of this.#cluster.nodes.values()) node.member.stop();
  }

  #appOf(node: Node): App {
    return gatewayApp(createServices(node.member, { passwords: PLAIN }), {
      acceptWebSocket: () => ({ socket: (this.#socket as MemorySocket).gatewayEnd, response: new Response(null) }),
    });
  }

  /** Each call at another member, as clients of a cluster are spread. */
  #nextApp(): App {
    const apps = [...this.#apps.values()];
    this.#turn = (this.#turn + 1) % apps.length;
    return apps[this.#turn] as App;
  }

  async #fetch(app: App, request: TargetRequest, signal?: AbortSignal): Promise<Answer> {
    const init = initOf(request);
    const raw = new Request(`http://edge${request.path}`, signal === undefined ? init : { ...init, signal });
    return answerOf(await app.fetch(raw));
  }

  /** So that what is read from a member's own state is not older than what was written at another one. */
  async #applied(): Promise<void> {
    if (this.#cluster.nodes.size === 1) return;
    await this.#cluster.clock.until(() => {
      const applied = [...this.#cluster.nodes.values()].map(({ member }) => member.applied);
      return Math.min(...applied) === Math.max(...applied);
    }, "all members have applied it");
  }

  #leaders(): readonly Node[] {
    return [...this.#cluster.nodes.values()].filter(({ member }) => member.status().role === "leader");
  }
}

/** The client's end of a WebSocket that leads to the gateway and needs no network. */
class MemorySocket implements TargetStream {
  readonly frames: string[] = [];
  ended = false;
  readonly #received: ((event: { readonly data: unknown }) => void)[] = [];
  readonly #closed: (() => void)[] = [];

  readonly gatewayEnd: WebSocketLike = {
    bufferedAmount: 0,
    send: (text) => void this.frames.push(text),
    close: () => {
      this.ended = true;
    },
    addEventListener: (type: string, listener: (event: { readonly data: unknown }) => void) => {
      if (type === "message") this.#received.push(listener);
      if (type === "close") this.#closed.push(() => listener({ data: undefined }));
    },
  };

  send(text: string): void {
    for (const listener of this.#received) listener({ data: text });
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    for (const listener of this.#closed) listener();
  }
}
