/** Errors of the calls that stand above etcd's; each is an EtcdError, so one `catch` serves for all. */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";

/** What a schema says about a value that it does not accept. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly unknown[] | undefined;
}

/** A stored value, or one about to be stored, that the codec or the schema of its namespace does not accept. */
export class InvalidValueError extends EtcdError {
  /** Relative to the namespace. */
  readonly key: string;
  readonly issues: readonly SchemaIssue[];

  constructor(key: string, issues: readonly SchemaIssue[]) {
    super(GrpcCode.InvalidArgument, `the value of ${JSON.stringify(key)} is not valid: ${textOf(issues)}`);
    this.name = "InvalidValueError";
    this.key = key;
    this.issues = issues;
  }
}

/** A conditional write whose condition did not hold. Nothing was written. */
export class ConflictError extends EtcdError {
  readonly key: string;

  constructor(key: string, message: string) {
    super(GrpcCode.Aborted, message);
    this.name = "ConflictError";
    this.key = key;
  }
}

/** A lease that has ended or must be taken for ended, and with it the lock, the leadership or the presence. */
export class LeaseLostError extends EtcdError {
  constructor(message: string) {
    super(GrpcCode.Aborted, message);
    this.name = "LeaseLostError";
  }
}

/** Returns true when the same call may succeed a little later, and repeating it cannot do harm that its caller did not ask for. */
export function isRetryable(error: unknown): boolean {
  if (!(error instanceof EtcdError)) return false;
  const { code } = error;
  return code === GrpcCode.Unavailable || code === GrpcCode.ResourceExhausted || error instanceof ConflictError;
}

function textOf(issues: readonly SchemaIssue[]): string {
  return issues.map(({ message }) => message).join("; ") || "no reason given";
}
