/**
 * How the requests of a transaction are issued. In Firefox a transaction that the quota aborts is not atomic: what was
 * issued before the failing request is rolled back, and what was issued after it stays on disk. So a request is issued
 * when the one before has succeeded, and nothing follows one that fails. A single record needs no such wait: it comes
 * first, and of what follows nothing is left.
 */
import type { IDBPTransaction } from "idb";

/** Issues a request when it is called. */
export type Request = () => Promise<unknown>;

type AnyWriting = IDBPTransaction<unknown, string[], "readwrite">;

/** Issues the requests of the fence, and resolves when the transaction may write. */
export type Guard = () => Promise<void>;

/** Issues and commits. Resolves when the transaction is durable and each of its requests has succeeded. */
export async function writeAll(transaction: AnyWriting, guard: Guard, requests: readonly Request[]): Promise<void> {
  const isOne = requests.length === 1;
  await durable(transaction, isOne ? atOnce(transaction, guard, requests) : inTurn(transaction, guard, requests));
}

/** For requests of which each may be lost or kept without the others. */
export function writeTogether(transaction: AnyWriting, guard: Guard, requests: readonly Request[]): Promise<void> {
  return durable(transaction, atOnce(transaction, guard, requests));
}

async function atOnce(transaction: AnyWriting, guard: Guard, requests: readonly Request[]): Promise<void> {
  const issued = [...requests, guard].map((request) => {
    const result = request();
    // The first error is reported; the others follow from it.
    result.catch(() => {});
    return result;
  });
  // Saves the round trip in which the browser finds out that no request follows.
  transaction.commit();
  await Promise.all(issued);
}

async function inTurn(transaction: AnyWriting, guard: Guard, requests: readonly Request[]): Promise<void> {
  await guard();
  for (const request of requests) await request();
  transaction.commit();
}

async function durable(transaction: AnyWriting, written: Promise<unknown>): Promise<void> {
  let failure: unknown;
  try {
    await written;
  } catch (error) {
    failure = error;
    abort(transaction);
  }
  try {
    await transaction.done;
  } catch (error) {
    throw transaction.error ?? failure ?? error;
  }
  // Firefox completes a transaction that follows one which the quota aborted, although its requests failed.
  if (failure !== undefined) throw failure;
}

function abort(transaction: AnyWriting): void {
  try {
    transaction.abort();
  } catch {
    // It has ended, or it ends by itself.
  }
}
