/** Vitest names the executable when it reads its configuration; this makes sure that it is there when a test starts. */
import { chromiumPath } from "./chromium.ts";

export async function setup(): Promise<void> {
  await chromiumPath();
}
