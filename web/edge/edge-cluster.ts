/** The members at the edge by their own status, `/m/1/quorate/status`, `/m/2/…`, requested while the page is visible. */
import type { MemberView } from "../../src/member/api/services.ts";

export interface EdgeMember {
  readonly number: number;
  readonly view: MemberView | undefined;
  /** Why there is no newer view. */
  readonly trouble: string | undefined;
}

export interface EdgeClusterOptions {
  readonly fetch: (url: string, init: { readonly signal: AbortSignal }) => Promise<Response>;
  readonly onChange: () => void;
}

const MEMBERS_MAX = 5;
const ANSWER_WITHIN_MS = 5_000;

export class EdgeCluster {
  readonly #options: EdgeClusterOptions;
  #members: readonly EdgeMember[] = [];

  constructor(options: EdgeClusterOptions) {
    this.#options = options;
  }

  /** Empty until the first round. */
  get members(): readonly EdgeMember[] {
    return this.#members;
  }

  /** Requests the status of each member once, all at the same time. */
  async look(): Promise<void> {
    const count = Math.max(1, ...this.#members.map(({ view }) => view?.members.length ?? 0));
    const numbers = Array.from({ length: Math.min(count, MEMBERS_MAX) }, (_, at) => at + 1);
    const before = this.#members;
    const asked = numbers.map(async (number) => {
      const member = await this.#ask(number, before.find((known) => known.number === number)?.view);
      this.#members = [...this.#members.filter((known) => known.number !== number), member].sort(
        (left, right) => left.number - right.number,
      );
      this.#options.onChange();
    });
    await Promise.all(asked);
    const found = Math.max(1, ...this.#members.map(({ view }) => view?.members.length ?? 0));
    if (found > count) await this.look();
  }

  async #ask(number: number, lastView: MemberView | undefined): Promise<EdgeMember> {
    try {
      const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
      const response = await this.#options.fetch(`/m/${number}/quorate/status`, { signal });
      const answer: unknown = await response.json();
      if (!response.ok || !isView(answer))
        return { number, view: lastView, trouble: troubleOf(answer, response.status) };
      return { number, view: answer, trouble: undefined };
    } catch (error) {
      const trouble =
        error instanceof DOMException && error.name === "TimeoutError" ? "does not answer" : "cannot be reached";
      return { number, view: lastView, trouble };
    }
  }
}

function isView(answer: unknown): answer is MemberView {
  const view = answer as Partial<MemberView> | null;
  return typeof view?.id === "string" && Array.isArray(view.members);
}

function troubleOf(answer: unknown, status: number): string {
  const { message } = (answer ?? {}) as { readonly message?: unknown };
  return typeof message === "string" ? message : `answered ${status}`;
}
