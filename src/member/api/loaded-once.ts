/** Code that is loaded when it is first needed. */
import { EtcdError, GrpcCode } from "../../protocol/etcd-error.ts";

/** Loads once, and again after a failure. Rejects with an EtcdError. */
export function loadedOnce<Part>(load: () => Promise<Part>): () => Promise<Part> {
  let part: Promise<Part> | undefined;
  return () => {
    part ??= load().catch((error: unknown) => {
      part = undefined;
      throw error instanceof EtcdError
        ? error
        : new EtcdError(GrpcCode.Unavailable, `a part of the program could not be loaded: ${String(error)}`);
    });
    return part;
  };
}
