// Checks a page for accessibility by axe, on two screens in light and dark, and takes screenshots.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SCREENSHOTS = fileURLToPath(new URL("../../build/screenshots/", import.meta.url));
/** `SCREENSHOTS=0` takes none: nobody looks at those of `npm test`. */
const TAKES_SCREENSHOTS = process.env.SCREENSHOTS !== "0";
const DEVICES = { mobile: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

/** Asserts that axe finds no violation and that the page is no wider than the screen. Takes screenshots. */
export async function checkPage(page, name) {
  await page.evaluate(AXE);
  await takeScreenshots(page, name, async (where, viewport) => {
    const { violations, width } = await page.evaluate(async () => ({
      violations: (await globalThis.axe.run({ resultTypes: ["violations"] })).violations, width: document.documentElement.scrollWidth,
    }));
    const faults = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
    assert.deepEqual(faults, [], where);
    assert.ok(width <= viewport.width, `${where} is wider than the screen by ${width - viewport.width} px`);
  });
}

/** The narrowest screen: 1280 pixels, magnified four times (WCAG 2.2 section 1.4.10). */
const NARROW = { width: 320, height: 640 };

/** Asserts that the page is no wider than the narrowest screen. Takes screenshots of it. */
export async function takeNarrowScreenshots(page, name) {
  await page.setViewportSize(NARROW);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    if (TAKES_SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}${name}-narrow-${colorScheme}.png`, fullPage: true });
  }
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= NARROW.width, `${name} is wider than ${NARROW.width} px: ${width}`);
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(DEVICES.desktop);
}

/** Takes screenshots, without the checks of axe, which need scripts. */
export async function takeScreenshots(page, name, check = async (_where, _viewport) => {}) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  for (const [device, viewport] of Object.entries(DEVICES)) {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      const where = `${name}-${device}-${colorScheme}`;
      if (TAKES_SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}${where}.png`, fullPage: true });
      await check(where, viewport);
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(DEVICES.desktop);
}
