/**
 * The package's `quorate/grpc`, for Node: serves etcd's gRPC API in front of an endpoint, as `npx quorate grpc` does.
 *
 *   const proxy = await startGrpcProxy({ listen: "127.0.0.1:2379", services: endpointServices({ endpoint }) });
 */
export { endpointServices } from "../grpc/endpoint-services.ts";
export { startGrpcProxy } from "../grpc/proxy.ts";
export type { GrpcProxy, GrpcProxyOptions, TlsFiles } from "../grpc/proxy.ts";
