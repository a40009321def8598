/**
 * Decides how much of the applied log is kept. Counting bytes exactly would cost a lookup per entry at a start. Marks
 * every few entries are exact enough for a limit.
 */
const MARK_EVERY_ENTRIES = 256;
/** Entries that are not worth a cut when the cluster is idle: it costs rows, and reading so few of them does not. */
const QUIET_ENTRIES_KEPT = 64;

export interface LogRetention {
  /** Call when entry `index` of this size was applied. */
  applied(index: number, bytes: number): void;
  /** Returns the index up to which the log may be cut now, never beyond `keepFrom`; undefined if it is short enough. */
  cutAt(firstIndex: number, keepFrom: number): number | undefined;
  /** The same while the cluster is idle and all members hold the whole log: all of it is cut, unless it is short. */
  quietCutAt(firstIndex: number, lastIndex: number, keepFrom: number): number | undefined;
}

export function logRetention(limits: {
  readonly logEntries: number;
  readonly logBytes: number;
  readonly catchUpEntries: number;
}): LogRetention {
  let marks: { readonly index: number; readonly bytes: number }[] = [];
  let total = 0;
  let last = 0;
  const cut = (index: number): number => {
    const before = marks.filter((mark) => mark.index <= index).at(-1);
    marks = marks.filter((mark) => mark.index > index);
    if (before !== undefined) {
      total -= before.bytes;
      marks = marks.map((mark) => ({ index: mark.index, bytes: mark.bytes - before.bytes }));
    }
    return index;
  };
  return {
    applied(index: number, bytes: number): void {
      total += bytes;
      last = index;
      if (index % MARK_EVERY_ENTRIES === 0) marks.push({ index, bytes: total });
    },
    cutAt(firstIndex: number, keepFrom: number): number | undefined {
      const due = byEntries(limits, firstIndex, last) ?? byBytes(marks, limits.logBytes, total);
      if (due === undefined) return undefined;
      const allowed = Math.min(due, keepFrom - 1);
      return allowed < firstIndex ? undefined : cut(allowed);
    },
    quietCutAt(firstIndex: number, lastIndex: number, keepFrom: number): number | undefined {
      const allowed = Math.min(lastIndex, keepFrom - 1);
      return allowed - firstIndex < QUIET_ENTRIES_KEPT ? undefined : cut(allowed);
    },
  };
}

function byEntries(
  limits: { readonly logEntries: number; readonly catchUpEntries: number },
  firstIndex: number,
  last: number,
): number | undefined {
  return last - firstIndex >= limits.logEntries ? last - limits.catchUpEntries : undefined;
}

/** Cuts half of the limit at once, so that the log is not cut entry by entry. */
function byBytes(
  marks: readonly { readonly index: number; readonly bytes: number }[],
  bytesMax: number,
  total: number,
): number | undefined {
  if (total <= bytesMax) return undefined;
  return marks.filter((mark) => mark.bytes <= total - bytesMax / 2).at(-1)?.index;
}
