/** A gateway over a real member, and the few calls that the tests of this folder make. */
import { gatewayApp, type GatewayOptions } from "../../../src/gateway/app.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { Cluster, type NodeOptions } from "../../member/support/cluster.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests compare it with literals
  readonly json: any;
}

export class Endpoint {
  readonly cluster: Cluster;
  readonly app: ReturnType<typeof gatewayApp>;

  constructor(cluster: Cluster, services: Services, options: GatewayOptions = {}) {
    this.cluster = cluster;
    this.app = gatewayApp(services, options);
  }

  /** Of a one-member cluster with a leader. */
  static async open(options: GatewayOptions = {}, node: NodeOptions = {}): Promise<Endpoint> {
    const cluster = await Cluster.founded(1, node);
    const { services } = await cluster.elected();
    return new Endpoint(cluster, services, options);
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return Promise.resolve(this.app.fetch(new Request(`http://edge${path}`, init)));
  }

  async call(path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await this.cluster.settled(this.fetch(path, init));
    const text = await response.text();
    const isJson = response.headers.get("content-type") === "application/json" && text !== "";
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
  }

  post(path: string, body: unknown): Promise<Answer> {
    return this.call(path, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });
  }

  put(key: string, value: string): Promise<Answer> {
    return this.post("/v3/kv/put", { key: btoa(key), value: btoa(value) });
  }
}
