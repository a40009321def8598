/** How a service's file of routes hands its methods to the app. */
import type { Schema } from "../protocol/schema.ts";
import type { CallContext } from "../member/services.ts";

/** `signal` is aborted when the caller is gone. */
export type ServeUnary = <Q, R>(
  path: string,
  request: Schema<Q>,
  response: Schema<R>,
  call: (message: Q, context: CallContext, signal: AbortSignal) => Promise<R>,
) => void;
