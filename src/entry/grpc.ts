/**
 * The package's `quorate/grpc`, for Node: serves etcd's gRPC in front of an endpoint, as `npx quorate grpc` does.
 *
 *   const front = await startGrpcFront({ listen: "127.0.0.1:2379", services: endpointServices({ endpoint }) });
 */
export { endpointServices } from "../grpc/endpoint-services.ts";
export { startGrpcFront } from "../grpc/front.ts";
export type { GrpcFront, GrpcFrontOptions, TlsFiles } from "../grpc/front.ts";
