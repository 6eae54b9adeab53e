// Looks at a page as people do who see little, or in the dark, or on a small screen; and keeps what was seen.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SCREENSHOTS = fileURLToPath(new URL("../../build/screenshots/", import.meta.url));
const DEVICES = { mobile: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

/** Sees to it that axe complains of nothing, and that nothing is wider than the screen; keeps screenshots. */
export async function look(page, name) {
  await page.evaluate(AXE);
  await keep(page, name, async (where, viewport) => {
    const { violations, width } = await page.evaluate(async () => ({
      violations: (await axe.run()).violations, width: document.documentElement.scrollWidth,
    }));
    const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
    assert.deepEqual(told, [], where);
    assert.ok(width <= viewport.width, `${where} is wider than the screen by ${width - viewport.width} px`);
  });
}

/** Keeps screenshots: of a page on which no script runs, no more can be done. */
export async function keep(page, name, check = () => {}) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  for (const [device, viewport] of Object.entries(DEVICES)) {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      const where = `${name}-${device}-${colorScheme}`;
      await page.screenshot({ path: `${SCREENSHOTS}${where}.png`, fullPage: true });
      await check(where, viewport);
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(DEVICES.desktop);
}
