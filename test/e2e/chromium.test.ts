import { expect, test } from "vitest";
import { launchChromium } from "../support/chromium.ts";

test("Chromium shows text on a machine that has no fonts of its own", async () => {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 400, height: 200 } });
    await page.setContent("<p style='font: 40px sans-serif'>iiii</p><p style='font: 40px sans-serif'>WWWW</p>");
    const blank = await browser.newPage({ viewport: { width: 400, height: 200 } });
    const [withText, without] = [await page.screenshot(), await blank.screenshot()];
    // A font that is missing gives glyphs of no width, or boxes that are all alike.
    const [narrow, wide] = await page.$$eval("p", (elements) =>
      elements.map((element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        return range.getBoundingClientRect().width;
      }),
    );
    expect(narrow).toBeGreaterThan(0);
    expect(wide).toBeGreaterThan(2 * (narrow ?? Infinity));
    expect(withText.equals(without)).toBe(false);
  } finally {
    await browser.close();
  }
});
