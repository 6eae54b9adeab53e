// Makes the pictures of README.md: the sign-in page and the demo's decoded ID token, in light and dark. Needs a
// running npm start, and the Chromium or Chrome of this machine.
import { statSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { findChromium } from "./chromium.mjs";
import { localWorker } from "./local.mjs";
import { Failure, parseOptions, root } from "./steps.mjs";

const USAGE = `node scripts/screenshots.mjs

Signs in to the demo application of npm start as alice, and writes docs/*.png. PORT is the port of npm start.`;

/** Larger pictures make the repository heavy. */
const LIMIT_BYTES = 100_000;

/** How many claims the picture of the ID token shows. */
const CLAIMS = 6;

/** The space around the part of a page that a picture shows, in CSS pixels. */
const MARGIN = 24;

parseOptions(USAGE);
const executablePath = findChromium();
if (!executablePath) throw new Failure("no Chromium or Chrome was found; the variable CHROMIUM can name one");
const { port, demoPassword } = localWorker();

const browser = await chromium.launch({ executablePath });
try {
  for (const colorScheme of ["light", "dark"]) await photograph(colorScheme);
} finally {
  await browser.close();
}

/** Signs in with an empty browser profile and takes both pictures. */
async function photograph(colorScheme) {
  const viewport = { width: 560, height: 600 };
  const context = await browser.newContext({ colorScheme, deviceScaleFactor: 1.5, locale: "en", viewport });
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${port + 1}/sign-in`);
  await page.getByLabel("User name").fill("alice");
  await page.getByLabel("Password").focus();
  await keep(page, `sign-in-${colorScheme}`);

  await page.getByLabel("Password").fill(demoPassword);
  await page.getByRole("button", { name: "Sign in" }).click();
  const section = page.getByRole("region", { name: "ID token" });
  // The consent page is shown once: a later sign-in remembers what was allowed.
  const allow = page.getByRole("button", { name: "Allow" });
  await allow.or(section).waitFor();
  if (await allow.isVisible()) await allow.press("Enter");
  await section.waitFor();
  // Wide enough for two columns, and high enough that nothing scrolls.
  await page.setViewportSize({ width: 640, height: 2_000 });
  const { x, y, width } = await section.boundingBox();
  const last = await section.locator(`dl > div:nth-child(${CLAIMS})`).boundingBox();
  const height = Math.floor(last.y + last.height - y);
  await keep(page, `id-token-${colorScheme}`, {
    clip: { x: x - MARGIN, y: y - MARGIN, width: width + 2 * MARGIN, height: height + MARGIN },
  });
  await context.close();
}

async function keep(page, name, options) {
  const path = join(root, "docs", `${name}.png`);
  await page.screenshot({ path, ...options });
  const { size } = statSync(path);
  console.log(`docs/${name}.png: ${Math.round(size / 1_000)} KB`);
  if (size > LIMIT_BYTES) throw new Failure(`docs/${name}.png is larger than ${LIMIT_BYTES} bytes`);
}
