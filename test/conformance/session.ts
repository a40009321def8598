/** One target, led through the steps of a conversation. */
import { normal, normalAnswer, parsed } from "./normal.ts";
import { isSame } from "./same.ts";
import type { Call, Observation, Step } from "./steps.ts";
import type { Answer, Request, Target, TargetStream, Waiting } from "./target.ts";
import { WatchLog } from "./watch-log.ts";

/** A stream without watches, or a waiting call, has said all that it has to say after so long a silence. */
const QUIET_MS = 60;
/** An answer to a progress request comes at once or never. */
const PROGRESS_MS = 30;
/** etcd looks every 100 ms for watches that begin in the past. */
const CATCH_UP_MS = 150;
const PROGRESS_ASKED_MAX = 12;
/** A server with much else to do may take so long to make a watch. */
const CREATED_LOOKS_MAX = 60;
const EXPIRY_LOOKS_MAX = 60;
const EXPIRY_LOOK_MS = 250;
/** How often a target that has said less than is expected of it is given time to say it: a slow machine's half minute. */
const MORE_TIME_MAX = 300;
/** A call that waits takes its place, or gives it up, with a write. One that waits in a place that it had does not. */
const PLACE_LOOKS_MAX = 40;

/** That a stream over a WebSocket ends is compared; etcd often closes before it has sent the reason. */
const ERROR_LINE = '{"error"';

interface OpenStream {
  readonly path: string;
  readonly isSocket: boolean;
  /** A progress request can be sent on it. */
  readonly asks: boolean;
  readonly stream: TargetStream;
  /** Watches asked for. */
  asked: number;
  /** While a watch begins in the future, no progress is reported. */
  startRevision: number;
  /** etcd tells no progress any more on a stream on which a watch was cancelled by a compaction. */
  mute: boolean;
  readonly log: WatchLog;
  read: number;
  lines: unknown[];
  endTold: boolean;
}

export class Session {
  readonly #target: Target;
  readonly #streams: Map<string, OpenStream> = new Map();
  readonly #waiting: Map<string, { readonly call: Call & { readonly type: "begin" }; readonly waiting: Waiting }> =
    new Map();
  /** What this server chose, by name, and back. */
  readonly #values: Map<string, string> = new Map();
  readonly #names: Map<string, string> = new Map();
  #revision = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  /** With what is expected known, a slow target is given time to say it. */
  async perform(step: Step, expected?: Observation): Promise<Observation> {
    switch (step.type) {
      case "call":
        return this.#answered(step, await this.#target.call(this.#request(step)));
      case "begin":
        await this.#begun(step, expected !== undefined);
        return null;
      case "abandon":
        await this.#abandoned(step.name, expected !== undefined);
        return null;
      case "open": {
        const token = step.token === undefined ? undefined : this.#filled(step.token);
        const stream = await this.#target.open(step.path, token, step.body);
        const isSocket = step.body === undefined;
        const asks = isSocket && step.path === "/v3/watch";
        const entry = {
          path: step.path,
          isSocket,
          asks,
          stream,
          asked: createRequests(step.body ?? ""),
          startRevision: 0,
          mute: false,
          log: new WatchLog(),
          read: 0,
          lines: [],
          endTold: false,
        };
        this.#streams.set(step.name, entry);
        return null;
      }
      case "send": {
        const entry = this.#streams.get(step.name);
        if (entry === undefined) return null;
        const start = Number(fieldOf(parsed(step.text), "create_request.start_revision") ?? 0);
        if (start > entry.startRevision) entry.startRevision = start;
        entry.asked += createRequests(step.text);
        entry.stream.send(this.#filled(step.text));
        return null;
      }
      case "close":
        this.#streams.get(step.name)?.stream.close();
        this.#streams.delete(step.name);
        return null;
      case "sync":
        return this.#synced(expected);
      case "expire":
        return this.#expired(step.lease);
      case "leader-change":
        await this.#target.changeLeader();
        return null;
    }
  }

  stop(): Promise<void> {
    return this.#target.stop();
  }

  #request(call: Call): Request {
    const headers = Object.entries(call.headers ?? {}).map(([name, value]) => [name, this.#filled(value)] as const);
    return {
      method: call.method ?? "POST",
      path: call.path,
      body: this.#filled(call.body),
      headers: Object.fromEntries(headers),
    };
  }

  #filled(text: string): string {
    return text.includes("${") ? text.replaceAll(/\$\{(\w+)\}/g, (_, name) => this.#values.get(name) ?? "0") : text;
  }

  /** What a waiting call is given follows from what its caller chose, and so is alike everywhere. */
  #answered(call: Call & { readonly type: string }, answer: Answer): Observation {
    const body = parsed(answer.text);
    for (const [name, field] of Object.entries(call.saves ?? {})) {
      const value = fieldOf(body, field);
      if (typeof value !== "string") continue;
      this.#values.set(name, value);
      if (call.type === "call") this.#names.set(value, `\${${name}}`);
    }
    const revision = Number(fieldOf(body, "header.revision") ?? 0);
    if (revision > this.#revision) this.#revision = revision;
    return normalAnswer(answer, call.path, this.#names);
  }

  /** Whoever plays what was recorded goes on where the recorder did: after the call has taken its place. */
  async #begun(step: Call & { readonly type: "begin"; readonly name: string }, isPlayed: boolean): Promise<void> {
    const before = isPlayed ? await this.#revisionNow(step) : undefined;
    const waiting = this.#target.begin(this.#request(step));
    this.#waiting.set(step.name, { call: step, waiting });
    await this.#untilWritten(step, before, waiting);
  }

  async #abandoned(name: string, isPlayed: boolean): Promise<void> {
    const entry = this.#waiting.get(name);
    if (entry === undefined) return;
    this.#waiting.delete(name);
    const { call, waiting } = entry;
    const isWaiting = isPlayed && waiting.answer === undefined;
    const before = isWaiting ? await this.#revisionNow(call) : undefined;
    waiting.abandon();
    if (before === undefined) await this.#target.pause(QUIET_MS);
    else await this.#untilWritten(call, before, waiting);
  }

  async #untilWritten(call: Call, before: number | undefined, waiting: Waiting): Promise<void> {
    if (before === undefined) return;
    for (let look = 0; look < PLACE_LOOKS_MAX && waiting.answer === undefined; look++) {
      if (((await this.#revisionNow(call)) ?? before) > before) return;
      await this.#target.pause(look < 10 ? PROGRESS_MS / 6 : PROGRESS_MS * 3);
    }
  }

  /** Read with what anybody may ask who may ask at all. */
  async #revisionNow({ headers }: Call): Promise<number | undefined> {
    const path = "/v3/lease/leases";
    const request = this.#request({ path, body: "{}", ...(headers === undefined ? {} : { headers }) });
    const revision = fieldOf(parsed((await this.#target.call(request)).text), "header.revision");
    return revision === undefined ? undefined : Number(revision);
  }

  async #synced(expected: Observation): Promise<Observation> {
    const patience =
      this.#waiting.size > 0 || [...this.#streams.values()].some(({ log, asks }) => !asks || log.live.size === 0);
    if (patience && expected === undefined) await this.#target.pause(QUIET_MS);
    if (expected === undefined) for (const entry of this.#streams.values()) await this.#created(entry);
    for (const entry of this.#streams.values()) await this.#progress(entry, expected);
    if (expected !== undefined) await this.#wait(expected);
    return this.#said(true);
  }

  async #created(entry: OpenStream): Promise<void> {
    for (let look = 0; look < CREATED_LOOKS_MAX; look++) {
      this.#read(entry);
      if (entry.log.created >= entry.asked || entry.stream.ended) return;
      await this.#target.pause(PROGRESS_MS);
    }
    // That one is never answered.
    entry.asked = entry.log.created;
  }

  async #wait(expected: Observation): Promise<void> {
    for (let at = 0; at < MORE_TIME_MAX && !isSame(this.#said(false), expected); at++) {
      await this.#target.pause(at < 10 ? PROGRESS_MS : PROGRESS_MS * 3);
    }
  }

  /** All that was written before has been sent to the watches when a progress request is answered. */
  async #progress(entry: OpenStream, expected: Observation): Promise<void> {
    this.#read(entry);
    const isDeaf = !entry.asks && entry.path === "/v3/watch";
    if (isDeaf || entry.mute || entry.startRevision > this.#revision) {
      if (expected === undefined) await this.#target.pause(CATCH_UP_MS);
      return;
    }
    for (let asked = 0; asked < PROGRESS_ASKED_MAX; asked++) {
      if (entry.log.live.size === 0 || entry.stream.ended || !entry.asks) return;
      entry.log.progressRevision = 0;
      entry.stream.send('{"progress_request":{}}');
      for (let look = 0; look < 6; look++) {
        await this.#target.pause(PROGRESS_MS / 6);
        this.#read(entry);
        if (entry.log.progressRevision >= this.#revision) return;
      }
    }
    entry.mute = true;
  }

  #read(entry: OpenStream): void {
    const { frames } = entry.stream;
    for (; entry.read < frames.length; entry.read++) {
      const frame = frames[entry.read] as string;
      if (entry.path === "/v3/watch") entry.log.add(frame, this.#names);
      else if (frame !== "" && !(entry.isSocket && frame.startsWith(ERROR_LINE))) {
        entry.lines.push(normal(parsed(frame), entry.path, this.#names));
      }
    }
  }

  #said(taken: boolean): Observation {
    const streams: Record<string, unknown> = {};
    for (const [name, entry] of this.#streams) {
      this.#read(entry);
      const said = entry.path === "/v3/watch" ? (taken ? entry.log.take() : entry.log.look()) : entry.lines;
      const ended = entry.stream.ended && !entry.endTold ? ["ended"] : [];
      if (Object.keys(said).length > 0 || ended.length > 0) streams[name] = [said, ...ended];
      if (!taken) continue;
      entry.lines = [];
      entry.endTold = entry.stream.ended;
    }
    const calls: Record<string, unknown> = {};
    for (const [name, { call, waiting }] of this.#waiting) {
      if (waiting.answer === undefined) continue;
      calls[name] = this.#answered(call, waiting.answer);
      if (taken) this.#waiting.delete(name);
    }
    // As it comes out of a fixture.
    return JSON.parse(JSON.stringify({ streams, calls }));
  }

  async #expired(lease: string): Promise<Observation> {
    const body = `{"ID":"${lease}"}`;
    for (let look = 0; look < EXPIRY_LOOKS_MAX; look++) {
      const { text } = await this.#target.call({ method: "POST", path: "/v3/lease/timetolive", body, headers: {} });
      if (fieldOf(parsed(text), "TTL") === "-1") return "over";
      await this.#target.pause(EXPIRY_LOOK_MS);
    }
    return "still there";
  }
}

function createRequests(text: string): number {
  return text.split('"create_request":{').length - 1;
}

function fieldOf(body: unknown, path: string): unknown {
  let value: unknown = body;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
