/** Errors of the calls above etcd's. Each is an EtcdError, so that one `catch` handles all. */
import { errorDocs, EtcdError, GrpcCode } from "../../protocol/errors.ts";

/** One reason for which a schema rejected a value. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly unknown[] | undefined;
}

/** The codec or the schema of a namespace rejected a stored value, or one to be stored. Code InvalidArgument. */
export class InvalidValueError extends EtcdError {
  /** The key without the namespace's prefix. */
  readonly key: string;
  readonly issues: readonly SchemaIssue[];

  constructor(key: string, issues: readonly SchemaIssue[]) {
    super(GrpcCode.InvalidArgument, `the value of ${JSON.stringify(key)} is not valid: ${textOf(issues)}`);
    this.name = "InvalidValueError";
    this.key = key;
    this.issues = issues;
  }

  override get docs(): string {
    return errorDocs("InvalidValue");
  }
}

/** The condition of a write did not hold. Nothing was written. Code Aborted. */
export class ConflictError extends EtcdError {
  readonly key: string;

  constructor(key: string, message: string) {
    super(GrpcCode.Aborted, message);
    this.name = "ConflictError";
    this.key = key;
  }

  /** Others were faster, or the caller's condition is out of date: what it reads next may decide otherwise. */
  override get isRetryable(): boolean {
    return true;
  }

  override get docs(): string {
    return errorDocs("Conflict");
  }
}

/**
 * A lease has ended or must be considered ended, and with it the lock, leadership or presence. Code Aborted. The caller
 * stops what it does under the lease.
 */
export class LeaseLostError extends EtcdError {
  constructor(message: string) {
    super(GrpcCode.Aborted, message);
    this.name = "LeaseLostError";
  }

  override get docs(): string {
    return errorDocs("LeaseLost");
  }
}

/**
 * Returns true if the same call may succeed a little later and a repetition cannot cause harm beyond what the caller
 * requested.
 */
export function isRetryable(error: unknown): boolean {
  return error instanceof EtcdError && error.isRetryable;
}

function textOf(issues: readonly SchemaIssue[]): string {
  return issues.map(({ message }) => message).join("; ") || "no reason given";
}
