/** The configuration with which workerd runs the built worker on this machine, as it runs at Cloudflare. */
import { type BuiltWorker, quoted, workerdConfig } from "../../src/serve/workerd-config.ts";
import { HTTP_SOCKET } from "../../src/serve/workerd-process.ts";

export interface LocalConfig extends BuiltWorker {
  readonly host: string;
  readonly port: number;
}

export function localConfig(config: LocalConfig): string {
  const address = quoted(`${config.host}:${config.port}`);
  return workerdConfig(config, {
    services: [],
    sockets: [`(name = ${quoted(HTTP_SOCKET)}, address = ${address}, http = (), service = "quorate")`],
    namespaces: [
      { binding: "MEMBERS", className: "EdgeMember" },
      { binding: "CLUSTER_REGISTRY", className: "ClusterRegistry" },
      { binding: "ROOMS", className: "RoomSignalling" },
    ],
    bindings: [],
  });
}
