/** The error of a call, and its codes. errors.ts has those that servers respond with. */

/** gRPC's codes by name. `error.code` is one of them. */
export const GrpcCode = {
  OK: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;

export type GrpcCode = (typeof GrpcCode)[keyof typeof GrpcCode];

const CODE_NAMES: Readonly<Record<number, string>> = /* @__PURE__ */ Object.fromEntries(
  Object.entries(GrpcCode).map(([name, code]) => [code, name]),
);

/** The code's name as gRPC spells it in texts such as `rpc error: code = PermissionDenied desc = …`. */
export function grpcCodeName(code: GrpcCode): string {
  return CODE_NAMES[code] ?? `Code(${code})`;
}

/** Returns the code for a number from the network. A number that gRPC does not have is Unknown. */
export function grpcCodeOf(code: number): GrpcCode {
  return code in CODE_NAMES ? (code as GrpcCode) : GrpcCode.Unknown;
}

/** Error of a call: a gRPC code, and etcd's text where the server sent it. All errors of the package are of this class. */
export class EtcdError extends Error {
  readonly code: GrpcCode;

  constructor(code: GrpcCode, message: string) {
    super(message);
    this.name = "EtcdError";
    this.code = code;
  }

  /**
   * True if the same call may succeed a little later and a repetition cannot cause harm beyond what the caller
   * requested.
   */
  get isRetryable(): boolean {
    return this.code === GrpcCode.Unavailable || this.code === GrpcCode.ResourceExhausted;
  }

  /** Where the README of the package says what causes this error, and what to do. */
  get docs(): string {
    return errorDocs(grpcCodeName(this.code));
  }
}

/** The place in the README about a kind of error: `LeaseLost` is under `#error-lease-lost`. */
export function errorDocs(kind: string): string {
  return `README.md#error-${kind.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase()}`;
}
