/** Methods that a member does not have, as Go's gRPC server says it of a service that it has. */
import { EtcdError, GrpcCode } from "../protocol/errors.ts";

export function unserved(service: string, method: string): EtcdError {
  return new EtcdError(GrpcCode.Unimplemented, `unknown method ${method} for service ${service}`);
}
