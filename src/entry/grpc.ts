/**
 * The package's `quorate/grpc`, for Node: serves etcd's gRPC API in front of an endpoint, as `npx quorate grpc` does.
 *
 * ```ts
 * import { endpointServices, startGrpcProxy } from "quorate/grpc";
 *
 * const services = endpointServices({ endpoint: "http://localhost:8787", timeoutMs: 10_000 });
 * const proxy = await startGrpcProxy({ listen: "127.0.0.1:2379", services });
 * console.log(proxy.port);
 * ```
 */
export { endpointServices } from "../grpc/endpoint-services.ts";
export { startGrpcProxy } from "../grpc/proxy.ts";
export type { GrpcProxy, GrpcProxyOptions, TlsFiles } from "../grpc/proxy.ts";
