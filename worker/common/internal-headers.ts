/**
 * What a member's object tells the worker in front beside its answer. Only objects are believed, never a client's request,
 * and a client sees none of it.
 */

/** The number of the member that leads. */
export const LEADER_HEADER = "x-quorate-leader";
/** Which members there are; see live-members.ts. */
export const MEMBERS_HEADER = "x-quorate-members";
/** The member did nothing with the request; the reason's code. */
export const UNAVAILABLE_HEADER = "x-quorate-unavailable";

export interface Hints {
  readonly leader: string | undefined;
  readonly members: string | undefined;
  readonly isUnavailable: boolean;
}

export function hintsOf(read: (name: string) => string | null | undefined): Hints {
  return {
    leader: read(LEADER_HEADER) ?? undefined,
    members: read(MEMBERS_HEADER) ?? undefined,
    isUnavailable: typeof read(UNAVAILABLE_HEADER) === "string",
  };
}

/** The answer as clients get it. */
export function withoutHints(response: Response): Response {
  // The answer to an upgrade carries none, and cannot be made anew.
  if (response.status === 101) return response;
  const own = new Response(response.body, response);
  for (const name of [LEADER_HEADER, MEMBERS_HEADER, UNAVAILABLE_HEADER]) own.headers.delete(name);
  return own;
}
