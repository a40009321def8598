/** Two browsers share a session whose access token has expired. */
import { connect } from "../../../src/entry/index.ts";
import { check } from "../steps.ts";
import { whileExampleServes } from "./example-server.ts";
import type { Pages } from "./pages.ts";

const ROUNDS = 3;

interface Tokens {
  readonly expiresAt: number;
}

export function refreshOnce(pages: Pages, endpoint: string, serverFile: string): Promise<void> {
  return whileExampleServes(serverFile, async (oauth) => {
    const address = pages.address("oauth-refresh", { endpoint, oauth, user: "ann" });
    const desk = await pages.open(await pages.profile(), address);
    const phone = await pages.open(await pages.profile(), address);
    await desk.getByRole("button", { name: "Sign in" }).click();
    await phone.locator("#session", { hasText: "Signed in; refreshed 0 times" }).waitFor();

    const client = connect({ endpoint });
    const sessions = client.namespace<Tokens>("oauth/ann/");
    for (let round = 1; round <= ROUNDS; round++) {
      await sessions.update("session", (tokens) => tokens && { ...tokens, expiresAt: 0 });
      await pages.clickBlindly([
        [desk, "#call"],
        [phone, "#call"],
      ]);
      for (const page of [desk, phone]) {
        await page.locator("#said", { hasText: "The API answered." }).waitFor();
        await page.locator("#session", { hasText: `refreshed ${round} times` }).waitFor();
      }
      const counts = JSON.stringify(await (await fetch(`${oauth}/counts`)).json());
      check(
        counts === JSON.stringify({ refreshes: round, reuses: 0 }),
        `after ${round} rounds the server counts ${counts}`,
      );
    }
    void client.close();
  });
}
