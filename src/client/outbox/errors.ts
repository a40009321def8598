/** Why a write was not queued. */
import { errorDocs, EtcdError, GrpcCode } from "../../protocol/errors.ts";

/** The write was not stored, because there is no room for it. What is queued already is not affected. */
export class OutboxFullError extends EtcdError {
  /** "entries" and "bytes": the outbox's own limits. "quota": the browser gives this site no more room. */
  readonly limit: "entries" | "bytes" | "quota";

  constructor(limit: OutboxFullError["limit"], message: string) {
    super(GrpcCode.ResourceExhausted, message);
    this.name = "OutboxFullError";
    this.limit = limit;
  }

  override get docs(): string {
    return errorDocs("OutboxFull");
  }
}
