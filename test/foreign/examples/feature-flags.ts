/** Two people change flags. */
import type { Page } from "playwright-core";
import { connect } from "../../../src/entry/index.ts";
import { check } from "../steps.ts";
import type { Pages } from "./pages.ts";

const DARK = '[role="switch"]';

export async function changeFlags(
  pages: Pages,
  endpoint: { readonly url: string; stop(): Promise<unknown> },
): Promise<void> {
  const profile = await pages.profile();
  const address = pages.address("feature-flags", { endpoint: endpoint.url });
  const ann = await pages.open(profile, address);
  const ben = await pages.open(profile, address);
  await shows(ben, "main", "There are none.");

  // Live, by keyboard alone, and the page obeys its own flag.
  await ann.getByLabel("Name").fill("dark");
  await ann.keyboard.press("Enter");
  await ben.getByRole("switch", { name: "dark", checked: false }).press("Space");
  await ann.getByRole("switch", { name: "dark", checked: true }).waitFor();
  await ann.locator("html[data-theme=dark]").waitFor();

  // The schema refuses what is no flag, before it is sent and when it is read.
  await ann.getByLabel("Rollout in percent").fill("150");
  await ann.getByRole("button", { name: "Save" }).click();
  await shows(ann, "[role=alert]", "at most 100 percent");
  check((await ben.getByLabel("Rollout in percent").inputValue()) === "100", "150 percent were stored");
  const client = connect({ endpoint: endpoint.url });
  await client.kv.put("flags/broken", '{"on":"perhaps"}');
  for (const page of [ann, ben]) {
    await shows(page, ".refused", "broken");
    await page.getByRole("switch", { name: "dark", checked: true }).waitFor();
  }
  await client.kv.deleteRange("flags/broken");
  void client.close();

  // Ann clicks what she saw; Ben was faster.
  await pages.clickBlindly([[ann, DARK]], async () => {
    await ben.getByRole("switch", { name: "dark" }).click();
    await ben.getByRole("switch", { name: "dark", checked: false }).waitFor();
  });
  await shows(ann, "[role=alert]", "Somebody just changed dark");
  await ann.getByRole("switch", { name: "dark", checked: false }).waitFor();

  // The endpoint is gone: both say so, show what they knew, and change nothing.
  await shows(ann, "header [role=status]", "Connected");
  await endpoint.stop();
  await ben.getByRole("switch", { name: "dark" }).click();
  for (const page of [ann, ben]) {
    await shows(page, "header [role=status]", "may be old");
    await shows(page, "main", "there may be a newer one");
  }
  check(
    (await ben.getByRole("switch", { name: "dark" }).getAttribute("aria-checked")) === "false",
    "a change without an endpoint",
  );
}

async function shows(page: Page, selector: string, text: string): Promise<void> {
  await page.locator(selector, { hasText: text }).first().waitFor();
}
