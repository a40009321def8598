/**
 * Decides how much of the applied log is kept. Counting bytes exactly would cost a lookup per entry at a start. Marks
 * every few entries are exact enough for a limit.
 */
const MARK_EVERY_ENTRIES = 256;

export interface LogRetention {
  /** Call when entry `index` of this size was applied. */
  applied(index: number, bytes: number): void;
  /** Returns the index up to which the log may be cut now, never beyond `keepFrom`; undefined if it is short enough. */
  cutAt(firstIndex: number, keepFrom: number): number | undefined;
}

export function logRetention(limits: {
  readonly logEntries: number;
  readonly logBytes: number;
  readonly catchUpEntries: number;
}): LogRetention {
  let marks: { readonly index: number; readonly bytes: number }[] = [];
  let total = 0;
  let last = 0;
  return {
    applied(index: number, bytes: number): void {
      total += bytes;
      last = index;
      if (index % MARK_EVERY_ENTRIES === 0) marks.push({ index, bytes: total });
    },
    cutAt(firstIndex: number, keepFrom: number): number | undefined {
      const cut = byEntries(limits, firstIndex, last) ?? byBytes(marks, limits.logBytes, total);
      if (cut === undefined) return undefined;
      const allowed = Math.min(cut, keepFrom - 1);
      if (allowed < firstIndex) return undefined;
      const before = marks.filter((mark) => mark.index <= allowed).at(-1);
      marks = marks.filter((mark) => mark.index > allowed);
      if (before !== undefined) {
        total -= before.bytes;
        marks = marks.map((mark) => ({ index: mark.index, bytes: mark.bytes - before.bytes }));
      }
      return allowed;
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
