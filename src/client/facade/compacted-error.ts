/** What a watch meets whose next revisions are gone. */
import { errorDocs, EtcdError, errCompacted } from "../../protocol/errors.ts";

/**
 * The watch cannot continue where it stopped, because that history is compacted. The caller reads the keys again and
 * watches from `compactRevision` or later. Code OutOfRange.
 */
export class CompactedError extends EtcdError {
  readonly compactRevision: number;

  constructor(compactRevision: number) {
    super(errCompacted.code, errCompacted.message);
    this.name = "CompactedError";
    this.compactRevision = compactRevision;
  }

  override get docs(): string {
    return errorDocs("Compacted");
  }
}
