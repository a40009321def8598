/** Waits for what must come. It ends what would hang, and judges nothing. */
import { check } from "./steps.ts";

const TRIES_MAX = 1_000;
const PAUSE_MS = 50;

export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    check(tries < TRIES_MAX, `this did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
