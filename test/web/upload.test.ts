import { expect, test } from "vitest";
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";
import { Upload } from "../../web/model/upload.ts";
import type { UploadFile } from "../../web/model/upload.ts";

const PACE = { random: () => 0, sleep: () => Promise.resolve() };

function filesOf(count: number, sizeBytes = 10): readonly UploadFile[] {
  return Array.from({ length: count }, (_, at) => ({
    key: `file/${at}`,
    sizeBytes,
    read: () => Promise.resolve(new Uint8Array(sizeBytes).fill(at)),
  }));
}

/** A store whose response to each put the test chooses. */
function store(refuse: (key: string, attempt: number) => EtcdError | undefined = () => undefined) {
  const kept = new Map<string, Uint8Array>();
  const attempts = new Map<string, number>();
  let running = 0;
  let mostRunning = 0;
  return {
    kept,
    get mostRunning() {
      return mostRunning;
    },
    async put(key: string | Uint8Array, value: string | Uint8Array) {
      const name = String(key);
      const attempt = (attempts.get(name) ?? 0) + 1;
      attempts.set(name, attempt);
      running += 1;
      mostRunning = Math.max(mostRunning, running);
      await Promise.resolve();
      running -= 1;
      const error = refuse(name, attempt);
      if (error !== undefined) throw error;
      kept.set(name, value as Uint8Array);
      return {} as never;
    },
  };
}

test("each file becomes a key, many at once but not all at once", async () => {
  const kv = store();
  const upload = new Upload(kv, filesOf(500), () => {}, PACE);
  await upload.run();
  expect(upload).toMatchObject({ state: "done", doneFiles: 500, putBytes: 5000, failedFiles: 0 });
  expect(kv.kept.size).toBe(500);
  expect(kv.kept.get("file/7")).toEqual(new Uint8Array(10).fill(7));
  expect(kv.mostRunning).toBe(32);
});

test("large files go few at a time, and one that is over the limit of a request is not even read", async () => {
  const kv = store();
  const large = filesOf(40, 1024 * 1024);
  const huge: UploadFile = { key: "huge", sizeBytes: 2 ** 31, read: () => Promise.reject(new Error("it was read")) };
  const upload = new Upload(kv, [...large, huge], () => {}, PACE);
  await upload.run();
  expect(kv.mostRunning).toBeLessThanOrEqual(8);
  expect(upload.failures).toEqual([{ key: "huge", reason: "etcdserver: request is too large" }]);
  expect(upload).toMatchObject({ state: "done", doneFiles: 41, failedFiles: 1 });
});

test("a failure that passes is retried, and shown meanwhile", async () => {
  const received = new Set<string>();
  const kv = store((_, attempt) =>
    attempt < 4 ? new EtcdError(GrpcCode.Unavailable, "etcdserver: no leader") : undefined,
  );
  const upload: Upload = new Upload(kv, filesOf(50), () => received.add(upload.trouble ?? ""), PACE);
  await upload.run();
  expect(kv.kept.size).toBe(50);
  expect(upload).toMatchObject({ state: "done", failedFiles: 0, trouble: undefined });
  expect(received).toContain("Waiting: etcdserver: no leader");
});

test("a file that is refused is shown with its reason, and the others go on", async () => {
  const kv = store((key) => (key === "file/3" ? new EtcdError(GrpcCode.InvalidArgument, "etcdserver: no") : undefined));
  const unreadable: UploadFile = { key: "gone", sizeBytes: 1, read: () => Promise.reject(new Error("not found")) };
  const upload = new Upload(kv, [...filesOf(10), unreadable], () => {}, PACE);
  await upload.run();
  expect(upload.state).toBe("done");
  expect(new Set(upload.failures)).toEqual(
    new Set([
      { key: "file/3", reason: "etcdserver: no" },
      { key: "gone", reason: "not found" },
    ]),
  );
  expect(kv.kept.size).toBe(9);
});

test("it breaks off where no other file would fare better: a full store, a stopped member", async () => {
  for (const error of [
    new EtcdError(GrpcCode.ResourceExhausted, "etcdserver: mvcc: database space exceeded"),
    new EtcdError(GrpcCode.FailedPrecondition, "this tab's member has stopped"),
  ]) {
    const upload = new Upload(
      store(() => error),
      filesOf(500),
      () => {},
      PACE,
    );
    await upload.run();
    expect(upload).toMatchObject({ state: "broken", trouble: error.message, failedFiles: 0 });
  }
});

test("cancelled, it stops waiting for what does not come", async () => {
  const kv = store(() => new EtcdError(GrpcCode.Unavailable, "etcdserver: no leader"));
  let waits = 0;
  const pace = {
    random: () => 0,
    sleep: async () => {
      waits += 1;
      if (waits === 100) upload.cancel();
    },
  };
  const upload = new Upload(kv, filesOf(100), () => {}, pace);
  await upload.run();
  expect(upload.state).toBe("cancelled");
  expect(kv.kept.size).toBe(0);
});
