/** Result of a request: a value, or an error that a client may see. */
import type { EtcdError } from "../protocol/errors.ts";

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: EtcdError };
