/** Holds a lock, or leadership, as long as the component is mounted. Acquires it again when it is lost. */
import { useEffect, useState } from "react";
import type { ApplicationClient } from "../client/app/application-client.ts";
import type { HeldLock, LockOptions } from "../client/app/held-lock.ts";
import type { Leadership } from "../client/app/leadership.ts";
import { useClient } from "./provider.ts";

const RETRY_MS = 1_000;

/** Options of `useLock` and `useLeader`. */
export interface HoldOptions extends Pick<LockOptions, "ttl"> {
  /** Waits and holds only while true. Default true. */
  readonly isWanted?: boolean | undefined;
}

/** Returns the lock while it is held, otherwise undefined. */
export function useLock(name: string, options: HoldOptions = {}): HeldLock | undefined {
  return useHeld(name, "", options, acquireLock);
}

/** Campaigns with `value`. Returns the leadership while this component leads, otherwise undefined. */
export function useLeader(name: string, value: string, options: HoldOptions = {}): Leadership | undefined {
  return useHeld(name, value, options, campaign);
}

type Hold<Held> = (client: ApplicationClient, name: string, value: string, options: LockOptions) => Promise<Held>;

function acquireLock(client: ApplicationClient, name: string, _value: string, options: LockOptions): Promise<HeldLock> {
  return client.acquire(name, options);
}

function campaign(client: ApplicationClient, name: string, value: string, options: LockOptions): Promise<Leadership> {
  return client.lead(name, value, options);
}

function useHeld<Held extends AsyncDisposable & { readonly signal: AbortSignal }>(
  name: string,
  value: string,
  { ttl, isWanted = true }: HoldOptions,
  hold: Hold<Held>,
): Held | undefined {
  const client = useClient();
  const [held, setHeld] = useState<Held | undefined>(undefined);
  useEffect(() => {
    if (!isWanted) return undefined;
    const unmounted = new AbortController();
    const { signal } = unmounted;
    const keep = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          const got = await hold(client, name, value, { ttl, signal });
          setHeld(got);
          await abortOf(AbortSignal.any([signal, got.signal]));
          setHeld(undefined);
          await got[Symbol.asyncDispose]();
        } catch {
          // useConnection() reports the reason.
          await pause(RETRY_MS, signal);
        }
      }
    };
    void keep();
    return () => {
      unmounted.abort();
      setHeld(undefined);
    };
  }, [client, name, value, ttl, isWanted, hold]);
  return held;
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  const timer = AbortSignal.timeout(milliseconds);
  await abortOf(AbortSignal.any([signal, timer]));
}
