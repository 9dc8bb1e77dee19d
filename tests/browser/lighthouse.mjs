// What Lighthouse says of pages: accessibility and best practices, on a phone.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import lighthouse from 'lighthouse';
import { chromium } from 'playwright-core';

const SCORE_MIN = 95;
const CATEGORIES = ['accessibility', 'best-practices'];
const PORT = 9333;

/** Opens each of `pages` (name and address) in a browser with the cookies of `state`, or without any, and holds its scores. */
export async function holdScores(pages, state, launch) {
  const folder = mkdtempSync(join(tmpdir(), 'lighthouse-'));
  // Lighthouse opens its own tab, so the cookies have to be those of the whole browser.
  const context = await chromium.launchPersistentContext(folder, {
    ...launch, args: [...launch.args, `--remote-debugging-port=${PORT}`],
  });
  // On a busy machine Lighthouse still asks a page that it has closed. Nobody waits for that answer.
  const late = error => { if (!error?.protocolMethod) throw error; };
  process.on('unhandledRejection', late);
  try {
    for (const [name, { address, signedIn }] of Object.entries(pages)) {
      await context.clearCookies();
      if (signedIn) await context.addCookies(state.cookies);
      const { lhr } = await lighthouse(address, {
        port: PORT, logLevel: 'silent', output: 'json', onlyCategories: CATEGORIES, disableStorageReset: true, throttlingMethod: 'provided',
        maxWaitForLoad: 10_000,
      });
      assert.equal(lhr.finalDisplayedUrl, address, `${name} is shown`);
      const scores = CATEGORIES.map(category => Math.round(100 * lhr.categories[category].score));
      console.log(`  ${name}: ${CATEGORIES.map((category, number) => `${category} ${scores[number]}`).join(', ')}`);
      const missed = Object.values(lhr.audits).filter(audit => audit.score !== null && audit.score < 1).map(audit => audit.id);
      assert.ok(scores.every(score => score >= SCORE_MIN), `${name}: ${scores}: ${missed}`);
    }
  } finally {
    process.off('unhandledRejection', late);
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
