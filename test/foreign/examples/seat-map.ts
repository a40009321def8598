/** Two people in two browsers, one theatre. */
import type { Page } from "playwright-core";
import { check } from "../steps.ts";
import type { Pages } from "./pages.ts";

const CONTESTED = ["A1", "A2", "B3", "C4", "D8"];

export async function takeSeats(pages: Pages, signalling: string): Promise<void> {
  const address = pages.address("seat-map", { signalling: new URL(signalling).origin });
  const ann = await enter(pages, address, "Ann");
  const link = (await ann.locator("#link").getAttribute("href")) ?? "";
  check(link.includes("#k="), `the link is ${link}`);
  const ben = await enter(pages, link, "Ben");

  for (const seat of CONTESTED) {
    const selector = `[data-seat=${seat}]`;
    await pages.clickBlindly([
      [ann, selector],
      [ben, selector],
    ]);
    const said = await Promise.all([ann, ben].map((page) => whatIsSaid(page, seat)));
    const winners = said.filter((text) => text === `${seat} is yours.`).length;
    const losers = said.filter((text) => /was faster/.test(text)).length;
    check(winners === 1 && losers === 1, `about ${seat} was said: ${said.join(" | ")}`);
    const states = await Promise.all([ann, ben].map((page) => stateOf(page, seat)));
    check(states.toSorted().join() === "taken,yours", `${seat} is ${states.join(" and ")}`);
  }

  // By keyboard: to the seat beside the first, take it, give it back.
  await ann.locator("[data-seat=A1]").focus();
  for (const key of ["ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"]) await ann.keyboard.press(key);
  await ann.keyboard.press("Enter");
  await ben.getByRole("button", { name: "B4, Ann's" }).waitFor();
  // Ben is told whose it is, and does not get it.
  await ben.locator("[data-seat=B4]").click();
  await ben.locator("#said", { hasText: "B4 is Ann's." }).waitFor();
  await ann.getByRole("button", { name: "B4, yours" }).click();
  await ben.getByRole("button", { name: "B4, free" }).waitFor();

  // A room of two without its founder has no majority. The page says so, and goes on showing what it knew.
  await ann.context().close();
  await ben.locator("#connection", { hasText: "may be old" }).waitFor();
  check((await stateOf(ben, "A1")) !== "free", "what was known is not shown any more");
}

async function enter(pages: Pages, address: string, name: string): Promise<Page> {
  const page = await pages.open(await pages.profile(), address);
  await page.getByLabel("Your name").fill(name);
  await page.locator("#connection", { hasText: "Connected" }).waitFor();
  return page;
}

async function whatIsSaid(page: Page, seat: string): Promise<string> {
  const said = page.locator("#said", { hasText: seat });
  await said.waitFor();
  return said.innerText();
}

/** Once the seat is not free any more in this page. */
async function stateOf(page: Page, seat: string): Promise<string> {
  const button = page.locator(`[data-seat=${seat}]:not([data-state=free])`);
  return (await button.getAttribute("data-state")) ?? "";
}
