/**
 * The part of Standard Schema (version 1) that a reader of values needs. zod, valibot, arktype and others implement it;
 * none of them is a dependency.
 */
import { toText } from "../common/convert.ts";
import type { Bytes } from "../common/types.ts";
import { type Codec, json } from "./codec.ts";
import { InvalidValueError, type SchemaIssue } from "./errors.ts";

/** A schema with the interface of Standard Schema, version 1, as zod, valibot and arktype have it. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** Defines how values are stored: by a codec, or as JSON that a schema validates. Default: JSON, not validated. */
export interface ValueOptions<Value> {
  readonly codec?: Codec<Value> | undefined;
  readonly schema?: StandardSchema<unknown, Value> | undefined;
}

/** Encodes and decodes values. Rejects what the schema rejects, in both directions. */
export interface ValueFormat<Value> {
  /** Rejects with InvalidValueError if the value is not valid. */
  encode(key: string, value: Value): Promise<Bytes>;
  /** Rejects with InvalidValueError if the stored bytes are not valid. */
  decode(key: string, value: Uint8Array): Promise<Value>;
}

/** A format whose code is loaded when it is first used. */
export type LazyFormat<Value> = () => Promise<ValueFormat<Value>>;

export function valueFormat<Value>({ codec = json<Value>(), schema }: ValueOptions<Value>): ValueFormat<Value> {
  const checked = async (key: string, value: unknown): Promise<Value> => {
    if (schema === undefined) return value as Value;
    const result = await schema["~standard"].validate(value);
    if (result.issues === undefined) return result.value;
    throw new InvalidValueError(key, result.issues);
  };
  return {
    async encode(key, value) {
      // The value is stored as given, not as the schema's output. A reader validates it again, so the given value must
      // pass.
      await checked(key, value);
      return named(key, () => codec.encode(value));
    },
    async decode(key, value) {
      return checked(
        key,
        named(key, () => codec.decode(value)),
      );
    },
  };
}

/** Returns the key without the namespace's prefix, as text. */
export function keyText(key: Uint8Array, prefix: string): string {
  return toText(key).slice(prefix.length);
}

function named<Result>(key: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    throw new InvalidValueError(key, [{ message: error instanceof Error ? error.message : String(error) }]);
  }
}
