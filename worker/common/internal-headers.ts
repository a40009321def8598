/**
 * Hints that a member's object adds to its response for the worker. The worker accepts them from objects only, never
 * from a client's request, and removes them from the response.
 */

/** Number of the leader. */
export const LEADER_HEADER = "x-quorate-leader";
/** The current members; see live-members.ts. */
export const MEMBERS_HEADER = "x-quorate-members";
/** The member has not executed the request; the value is the reason's code. */
export const UNAVAILABLE_HEADER = "x-quorate-unavailable";

export interface Hints {
  readonly leader: string | undefined;
  readonly members: string | undefined;
  readonly isUnavailable: boolean;
  /** The whole cluster was deleted. */
  readonly isDeleted: boolean;
}

export function hintsOf(read: (name: string) => string | null | undefined): Hints {
  return {
    leader: read(LEADER_HEADER) ?? undefined,
    members: read(MEMBERS_HEADER) ?? undefined,
    isUnavailable: typeof read(UNAVAILABLE_HEADER) === "string",
    isDeleted: read(UNAVAILABLE_HEADER) === "deleted",
  };
}

/** Returns the response for the client. */
export function withoutHints(response: Response): Response {
  // The response to an upgrade has no hints, and cannot be copied.
  if (response.status === 101) return response;
  const own = new Response(response.body, response);
  for (const name of [LEADER_HEADER, MEMBERS_HEADER, UNAVAILABLE_HEADER]) own.headers.delete(name);
  return own;
}
