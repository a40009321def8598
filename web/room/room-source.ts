/** What the page stands on with `?room=NAME`: this tab's member, and the client on it. */
import { createClient } from "../../src/client/client.ts";
import type { Client } from "../../src/client/client.ts";
import { SYSTEM_BACKOFF } from "../../src/client/common/backoff.ts";
import type { Member } from "../../src/member/node/member.ts";
import type { MemberView } from "../../src/member/api/services.ts";
import { memberView } from "../../src/member/services/member-view.ts";
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";
import { rangeRequest } from "../../src/protocol/api/kv.ts";
import type { PageSource } from "../model/page-source.ts";
import { switchableServices } from "./switchable-services.ts";
import type { SwitchableServices } from "./switchable-services.ts";
import { roomProblem, roomSituation } from "./room-situation.ts";
import type { RoomActions } from "./room-situation.ts";
import type { TabState } from "./tab-state.ts";

interface Settle {
  readonly resolve: () => void;
  readonly reject: (error: EtcdError) => void;
}

const LOOK_EVERY_MS = 250;
const READY_EVERY_MS = 50;
const NO_VIEW: Omit<MemberView, "problem"> = {
  id: "0",
  name: "",
  clusterId: "0",
  role: "learner",
  term: 0,
  leader: "0",
  commit: 0,
  applied: 0,
  lastIndex: 0,
  revision: 0,
  compactRevision: 0,
  dbSizeBytes: 0,
  members: [],
};

const CLOSED_TEXT =
  "Whoever opens this link in another browser or profile becomes a member of this room and can change everything in " +
  "it. Nobody comes in without it: its end is the room’s secret.";
const OPEN_TEXT =
  "This room is open: anybody who knows its name can join it and change everything in it. Whoever opens this link in " +
  "another browser or profile becomes a member.";

export class RoomSource implements PageSource {
  readonly title: string;
  readonly share: PageSource["share"];
  readonly client: Client;
  readonly opened: Promise<void>;
  readonly serializable: boolean = true;
  readonly refreshMs: number = 400;
  readonly late: SwitchableServices;
  readonly #isOpen: boolean;
  readonly #actions: RoomActions;
  readonly #listeners: Set<() => void> = new Set();
  #state: TabState = { type: "opening" };
  #member: Member | undefined;
  #problemSinceMs: number = performance.now();
  #hadProblem = true;
  #open: () => void = () => {};
  readonly #ready: Settle;

  constructor(room: string, link: string, isOpen: boolean, actions: RoomActions) {
    this.title = room;
    this.share = { link, text: isOpen ? OPEN_TEXT : CLOSED_TEXT };
    this.#isOpen = isOpen;
    this.#actions = actions;
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
    let settle: Settle = { resolve: ignore, reject: ignore };
    const ready = new Promise<void>((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#ready = settle;
    // Whoever does not wait for it must not be punished for its failure.
    ready.catch(ignore);
    this.late = switchableServices((ofMember) => this.#view(ofMember));
    this.client = createClient(this.late.services, { ready });
    setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  situation(): ReturnType<PageSource["situation"]> {
    const member = this.#member;
    return roomSituation(
      {
        isOpen: this.#isOpen,
        state: this.#state,
        view: member === undefined ? undefined : memberView(member),
        nowMs: performance.now(),
        problemSinceMs: this.#problemSinceMs,
      },
      this.#actions,
    );
  }

  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  stateChanged(state: TabState): void {
    this.#state = state;
    if (state.type === "opening") this.#member = undefined;
    if (state.type === "stopped") this.#ready.reject(new EtcdError(GrpcCode.FailedPrecondition, state.text));
    this.#look();
  }

  running(member: Member): void {
    this.#member = member;
    this.#open();
    void this.#becomeReady(member);
    this.#look();
  }

  /** Ready is who can answer a linearizable read. */
  async #becomeReady(member: Member): Promise<void> {
    const { kv } = this.late.services;
    while (this.#member === member && member.problem === undefined) {
      if (member.leader !== 0n && member.machine.membership.has(member.id)) {
        const context = { token: "", requireLeader: false };
        const read = kv.range(rangeRequest({ key: new Uint8Array(1), countOnly: true }), context);
        if (await read.then(isTrue, isFalse)) return this.#ready.resolve();
      }
      await SYSTEM_BACKOFF.sleep(READY_EVERY_MS);
    }
  }

  #look(): void {
    const hasProblem = this.#member === undefined || this.#problem(this.#member) !== undefined;
    if (hasProblem && !this.#hadProblem) this.#problemSinceMs = performance.now();
    this.#hadProblem = hasProblem;
    for (const listener of this.#listeners) listener();
  }

  #problem(member: Member): MemberView["problem"] {
    return roomProblem(this.#state, memberView(member));
  }

  #view(ofMember: MemberView | undefined): MemberView {
    const state = this.#state;
    if (state.type === "stopped") {
      return { ...(ofMember ?? this.#lastView()), problem: { code: state.code, text: state.text } };
    }
    if (ofMember === undefined) {
      const { text } = this.situation().standing;
      const code = state.type === "asking" && state.trouble !== undefined ? "no-signalling" : "starting";
      return { ...NO_VIEW, problem: { code, text } };
    }
    const { problem: _, ...view } = ofMember;
    const problem = roomProblem(state, ofMember);
    return problem === undefined ? view : { ...view, problem };
  }

  #lastView(): Omit<MemberView, "problem"> {
    return this.#member === undefined ? NO_VIEW : memberView(this.#member);
  }
}

function isTrue(): boolean {
  return true;
}

function isFalse(): boolean {
  return false;
}

function ignore(): void {}
