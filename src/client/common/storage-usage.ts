/** What takes the room that the browser gives a site, and what to do when there is no more. */

/** What a room's store has, in bytes. */
export interface HeldBytes {
  readonly log: number;
  readonly state: number;
}

/** Of a site, and of one room or outbox in it. */
export interface StorageUsage {
  /** Bytes of the whole site, as far as the browser tells. */
  readonly usage?: number | undefined;
  readonly quota?: number | undefined;
  /** Undefined where there is no room, and where its store could not be opened. */
  readonly held: HeldBytes | undefined;
  readonly outbox: { readonly count: number; readonly bytes: number } | undefined;
  /** The browser deletes nothing of this site unless its user says so. */
  readonly isPersisted: boolean;
}

/** The parts of `navigator.storage` that say how much room there is. */
export interface StorageManagerLike {
  estimate(): Promise<{ readonly usage?: number; readonly quota?: number }>;
  persisted(): Promise<boolean>;
}

/** A browser that is short of room may be slow, too, and a leader waits for this before it lets another one lead. */
const ASK_LIMIT_MS = 500;

/** Does not reject: what the browser does not tell is left out. */
export async function storageUsage(
  manager: StorageManagerLike,
  held: HeldBytes | undefined,
  outbox: () => Promise<StorageUsage["outbox"]>,
): Promise<StorageUsage> {
  const [estimate, isPersisted, queued] = await Promise.all([
    orElse(manager.estimate(), {}),
    orElse(manager.persisted(), false),
    orElse(outbox(), undefined),
  ]);
  return { usage: estimate.usage, quota: estimate.quota, held, outbox: queued, isPersisted };
}

/** That it is full, what that means, by what, what helps. `meaning` is in whole sentences. */
export function fullDiskText(
  { usage, quota, held, outbox, isPersisted }: StorageUsage,
  meaning: string,
  ownHelp: string,
): string {
  const of = quota === undefined ? "" : ` of at most ${sizeText(quota)}`;
  const whole = usage === undefined ? "" : `, which uses ${sizeText(usage)}${of}`;
  const own: string[] = [];
  if (held !== undefined) own.push(`the log ${sizeText(held.log)}`, `the keys ${sizeText(held.state)}`);
  if (outbox !== undefined) {
    own.push(`the outbox ${sizeText(outbox.bytes)} (${outbox.count} ${outbox.count === 1 ? "write" : "writes"})`);
  }
  const ownBytes = (held?.log ?? 0) + (held?.state ?? 0) + (outbox?.bytes ?? 0);
  if (own.length > 0 && usage !== undefined && usage > ownBytes) {
    own.push(`everything else of this site ${sizeText(usage - ownBytes)}`);
  }
  const parts = own.length === 0 ? "" : ` Of that: ${own.join(", ")}.`;
  const helps = ["free space on this device", "delete other data of this site", ownHelp];
  if (!isPersisted) helps.push("let the browser keep this site’s data (navigator.storage.persist())");
  return `The browser gives no more room to this site${whole}.${parts} ${meaning} What helps: ${listOf(helps)}.`;
}

function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1_000;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1_000;
  return `${value < 99.95 ? value.toFixed(1) : Math.round(value)} ${units[unit] ?? ""}`;
}

function listOf(parts: readonly string[]): string {
  return `${parts.slice(0, -1).join(", ")} or ${parts.at(-1) ?? ""}`;
}

function orElse<Value>(asked: Promise<Value>, otherwise: Value): Promise<Value> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(otherwise), ASK_LIMIT_MS);
    asked.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      () => {
        clearTimeout(timer);
        resolve(otherwise);
      },
    );
  });
}
