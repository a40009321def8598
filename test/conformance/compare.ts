/** Two answers to one request, with what must differ taken out: ids of cluster and member, and the term. */

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const OWN_FIELDS = new Set(["cluster_id", "member_id", "raft_term"]);

/** Texts of JSON errors come from the parser of each side, and differ; that there is one, and its code, must not. */
export function differs(reference: Answer, ours: Answer): boolean {
  return JSON.stringify(comparable(reference)) !== JSON.stringify(comparable(ours));
}

export function comparable({ status, body }: Answer): unknown {
  return { status, body: normal(body) };
}

function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(([name]) => !OWN_FIELDS.has(name))
    .map(([name, inner]) => [name, normal(inner)] as const)
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries);
}
