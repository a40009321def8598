/** The state of a tab, as it is told, and which changes of it are told. */
import type { Clock } from "../../member/clock.ts";
import type { RunningState, TabState } from "../common/tab-state.ts";
import type { OutageFacts } from "./outage.ts";

export interface CurrentStateDeps {
  readonly clock: Clock;
  /** A member whose disk is full answers reads. Meanwhile the tab tries to open its store, which nobody is told. */
  readonly isReading: () => boolean;
  readonly onChange: (state: TabState) => void;
}

export class CurrentState {
  readonly #deps: CurrentStateDeps;
  #state: TabState = { type: "opening" };

  constructor(deps: CurrentStateDeps) {
    this.#deps = deps;
  }

  /** Undefined while the tab has no member. */
  get running(): RunningState | undefined {
    return this.#state.type === "running" ? this.#state : undefined;
  }

  get isOver(): boolean {
    return this.#state.type === "stopped";
  }

  set(state: TabState): void {
    if (this.isOver) return;
    if (this.#deps.isReading() && (state.type === "opening" || state.type === "asking")) return;
    this.#state = state;
    this.#deps.onChange(state);
  }

  /** Does nothing while the tab has no member. */
  update(changes: Partial<RunningState>): void {
    const { running } = this;
    if (running !== undefined) this.set({ ...running, ...changes });
  }

  /** A member begins. */
  run(isAtEdge: boolean, signalling: RunningState["signalling"]): void {
    const sinceMs = this.#deps.clock.nowMs();
    this.set({
      type: "running",
      sinceMs,
      shape: isAtEdge ? "edge" : "tabs",
      signalling,
      relayed: [],
      room: undefined,
      roomTrouble: undefined,
      isConflict: false,
      aloneSinceMs: isAtEdge ? undefined : sinceMs,
    });
  }

  get outageFacts(): OutageFacts {
    const { clock } = this.#deps;
    const nowWallMs = clock.wallMs?.() ?? clock.nowMs();
    const aloneSinceMs = this.running?.aloneSinceMs;
    const aloneSinceWallMs = aloneSinceMs === undefined ? undefined : nowWallMs - (clock.nowMs() - aloneSinceMs);
    return { nowWallMs, aloneSinceWallMs };
  }
}
