/**
 * The deployed worker with a meter: what Cloudflare bills is counted as it happens. `/bench/meter` reports the counts.
 *
 * All objects of a worker share one isolate, and so the counts below. Time counts while any timer is pending or any event
 * runs: only then does the platform keep an object in memory and bill it. Objects of a cluster are awake together, so
 * the time of one stands for each.
 */
import type { EdgeMember as Member } from "../../../worker/member/member-object.ts";
import worker, { EdgeMember as DeployedMember } from "../../../worker/main.ts";
import type { Env } from "../../../worker/common/env.ts";

export { ClusterRegistry, RoomSignalling } from "../../../worker/main.ts";

const meter = { rowsRead: 0, rowsWritten: 0, requests: 0, awakeMs: 0, loaded: 0 };

let busy = 0;
let busySinceMs = 0;

function begin(): void {
  if (busy++ === 0) busySinceMs = Date.now();
}

function end(): void {
  if (--busy === 0) meter.awakeMs += Date.now() - busySinceMs;
}

async function event<Result>(run: () => Promise<Result>): Promise<Result> {
  meter.requests += 1;
  begin();
  try {
    return await run();
  } finally {
    end();
  }
}

/** Twenty messages of a WebSocket are billed as one request. */
const MESSAGES_PER_REQUEST = 20;

async function message(run: () => void | Promise<void>): Promise<void> {
  meter.requests += 1 / MESSAGES_PER_REQUEST;
  begin();
  try {
    await run();
  } finally {
    end();
  }
}

const {
  setTimeout: platformTimeout,
  clearTimeout: platformClear,
  setInterval: platformInterval,
  clearInterval: platformClearInterval,
} = globalThis;
const pending = new Set<unknown>();

function over(timer: unknown): void {
  if (pending.delete(timer)) end();
}

Object.assign(globalThis, {
  setTimeout(run: (...given: unknown[]) => void, delayMs?: number, ...given: unknown[]) {
    begin();
    const timer: unknown = platformTimeout(() => {
      over(timer);
      run(...given);
    }, delayMs);
    pending.add(timer);
    return timer;
  },
  clearTimeout(timer: number) {
    over(timer);
    platformClear(timer);
  },
  setInterval(run: (...given: unknown[]) => void, delayMs?: number, ...given: unknown[]) {
    begin();
    const timer: unknown = platformInterval(run, delayMs, ...given);
    pending.add(timer);
    return timer;
  },
  clearInterval(timer: number) {
    over(timer);
    platformClearInterval(timer);
  },
});

/** Counts what each statement reads and writes, once its cursor is at its end. */
function meterStorage(storage: DurableObjectStorage): void {
  const { sql } = storage;
  const exec = sql.exec.bind(sql);
  const open: { readonly rowsRead: number; readonly rowsWritten: number }[] = [];
  const count = (): void => {
    for (const { rowsRead, rowsWritten } of open.splice(0)) {
      meter.rowsRead += rowsRead;
      meter.rowsWritten += rowsWritten;
    }
  };
  Object.defineProperty(sql, "exec", {
    value: (text: string, ...bindings: unknown[]) => {
      const cursor = exec(text, ...bindings);
      if (open.length === 0) queueMicrotask(count);
      open.push(cursor);
      return cursor;
    },
  });
  const put = storage.put.bind(storage) as (...given: unknown[]) => Promise<void>;
  const setAlarm = storage.setAlarm.bind(storage);
  const written = <Given extends unknown[], Result>(run: (...given: Given) => Result) => {
    return (...given: Given): Result => {
      meter.rowsWritten += 1;
      return run(...given);
    };
  };
  Object.defineProperty(storage, "put", { value: written(put) });
  Object.defineProperty(storage.kv, "put", { value: written(storage.kv.put.bind(storage.kv)) });
  Object.defineProperty(storage, "setAlarm", { value: written(setAlarm) });
}

const Deployed = DeployedMember as unknown as typeof Member;

export class EdgeMember extends Deployed {
  constructor(ctx: DurableObjectState, env: Env) {
    meterStorage(ctx.storage);
    super(ctx, env);
    meter.loaded += 1;
  }

  override fetch(request: Request): Promise<Response> {
    return event(() => super.fetch(request));
  }

  override raft(batch: Uint8Array): ReturnType<Member["raft"]> {
    return event(() => super.raft(batch));
  }

  override wake(): Promise<void> {
    return event(() => super.wake());
  }

  override ask(calls: Parameters<Member["ask"]>[0]): ReturnType<Member["ask"]> {
    return event(() => super.ask(calls));
  }

  override webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    return message(() => super.webSocketMessage(socket, data));
  }

  override webSocketClose(socket: WebSocket): Promise<void> {
    return message(() => super.webSocketClose(socket));
  }

  override alarm(): Promise<void> {
    return event(() => super.alarm());
  }
}

const metered: ExportedHandler = {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/bench/meter") return (await worker.fetch?.(request, env, ctx)) as Response;
    const sinceMs = busy > 0 ? Date.now() - busySinceMs : 0;
    return Response.json({ ...meter, awakeMs: meter.awakeMs + sinceMs, isAwake: busy > 0 });
  },
};

export default metered;
