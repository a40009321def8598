/**
 * Puts the files of a folder under keys, one file a key, many at a time. A put of the same bytes under the same key may
 * be done twice, so a failure that passes (no leader, no quorum, a lost response) is retried until the user cancels.
 */
import type { KvClient } from "../../src/client/client.ts";
import { backoffMs, SYSTEM_BACKOFF } from "../../src/client/common/backoff.ts";
import type { BackoffTimer } from "../../src/client/common/backoff.ts";
import { EtcdError, errRequestTooLarge, GrpcCode } from "../../src/protocol/errors.ts";

export interface UploadFile {
  readonly key: string;
  readonly sizeBytes: number;
  readonly read: () => Promise<Uint8Array>;
}

export interface UploadFailure {
  readonly key: string;
  readonly reason: string;
}

export type UploadState = "running" | "done" | "cancelled" | "broken";

const PUTS_AT_ONCE = 32;
const BYTES_AT_ONCE = 8 * 1024 * 1024;
/** etcd's limit on a request, less the bytes beside key and value. */
const FILE_BYTES_MAX = 1.5 * 1024 * 1024 - 512;
const PAUSE_LIMIT_MS = 1000;
const FAILURES_KEPT = 200;
/** FailedPrecondition: this tab's member has stopped and does not restart. */
const HOPELESS: ReadonlySet<GrpcCode> = new Set([
  GrpcCode.FailedPrecondition,
  GrpcCode.PermissionDenied,
  GrpcCode.Unauthenticated,
]);

export class Upload {
  readonly #kv: Pick<KvClient, "put">;
  readonly #files: readonly UploadFile[];
  readonly #onChange: () => void;
  readonly #pace: BackoffTimer;
  readonly #over: AbortController = new AbortController();
  readonly #failures: UploadFailure[] = [];
  readonly totalBytes: number;
  #next = 0;
  #state: UploadState = "running";
  #doneFiles = 0;
  #doneBytes = 0;
  #putBytes = 0;
  #failed = 0;
  #bytesAtOnce = 0;
  #waiting: (() => void)[] = [];
  #trouble: string | undefined;

  constructor(
    kv: Pick<KvClient, "put">,
    files: readonly UploadFile[],
    onChange: () => void,
    pace: BackoffTimer = SYSTEM_BACKOFF,
  ) {
    this.#kv = kv;
    this.#files = files;
    this.#onChange = onChange;
    this.#pace = pace;
    this.totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  get state(): UploadState {
    return this.#state;
  }

  get totalFiles(): number {
    return this.#files.length;
  }

  get putBytes(): number {
    return this.#putBytes;
  }

  /** The number of files that are put or have failed. */
  get doneFiles(): number {
    return this.#doneFiles;
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  get failedFiles(): number {
    return this.#failed;
  }

  /** The first of the failures. */
  get failures(): readonly UploadFailure[] {
    return this.#failures;
  }

  /** Why it waits, or why it ended. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: PUTS_AT_ONCE }, () => this.#work()));
    if (this.#state === "running") this.#state = "done";
    this.#onChange();
  }

  cancel(): void {
    this.#end("cancelled", undefined);
  }

  async #work(): Promise<void> {
    for (let file = this.#take(); file !== undefined; file = this.#take()) {
      await this.#room(file.sizeBytes);
      try {
        if (this.#state === "running") await this.#putFile(file);
      } finally {
        this.#bytesAtOnce -= file.sizeBytes;
        this.#wakeAll();
      }
    }
  }

  #take(): UploadFile | undefined {
    if (this.#state !== "running") return undefined;
    const file = this.#files[this.#next];
    this.#next += 1;
    return file;
  }

  /** Waits until the bytes in flight leave room for the file. A file larger than the limit goes alone. */
  async #room(bytes: number): Promise<void> {
    while (this.#bytesAtOnce > 0 && this.#bytesAtOnce + bytes > BYTES_AT_ONCE) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#bytesAtOnce += bytes;
  }

  #wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  async #putFile({ key, sizeBytes, read }: UploadFile): Promise<void> {
    try {
      if (sizeBytes > FILE_BYTES_MAX) throw errRequestTooLarge;
      await this.#putWithRetry(key, await read());
      this.#trouble = undefined;
      this.#putBytes += sizeBytes;
    } catch (error) {
      if (this.#state !== "running") return;
      this.#fail(key, error);
    }
    this.#doneFiles += 1;
    this.#doneBytes += sizeBytes;
    this.#onChange();
  }

  async #putWithRetry(key: string, value: Uint8Array): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#kv.put(key, value);
        return;
      } catch (error) {
        if (!mayPass(error) || this.#state !== "running") throw error;
        this.#trouble = `Waiting: ${error.message}`;
        this.#onChange();
        await this.#pace.sleep(backoffMs(attempt, PAUSE_LIMIT_MS, this.#pace.random), this.#over.signal);
        if (this.#over.signal.aborted) throw error;
      }
    }
  }

  #fail(key: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (isHopeless(error)) return this.#end("broken", reason);
    this.#failed += 1;
    if (this.#failures.length < FAILURES_KEPT) this.#failures.push({ key, reason });
  }

  #end(state: UploadState, trouble: string | undefined): void {
    if (this.#state !== "running") return;
    this.#state = state;
    this.#trouble = trouble;
    this.#over.abort();
    this.#wakeAll();
    this.#onChange();
  }
}

/** Whether another attempt may succeed. */
function mayPass(error: unknown): error is EtcdError {
  if (!(error instanceof EtcdError)) return false;
  return error.code === GrpcCode.Unavailable || error.code === GrpcCode.DeadlineExceeded || isOverload(error);
}

/** Whether every other file would fail as well. */
function isHopeless(error: unknown): boolean {
  if (!(error instanceof EtcdError)) return false;
  const isFull = error.code === GrpcCode.ResourceExhausted && !isOverload(error);
  return isFull || HOPELESS.has(error.code);
}

/** etcd sends it with the code of a full disk. */
function isOverload({ message }: EtcdError): boolean {
  return message.includes("too many requests");
}
