// Tries the operators' pages in Chromium: `node run.mjs BINARY SCREENSHOTS`, where BINARY is `local` and SCREENSHOTS a folder.
// Every page in both themes, on a phone and on a large screen, with axe-core; and what operators do, by mouse, by keyboard, and
// without script. The first thing that is not as it should be ends it with a status that is not 0.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';
import { holdScores } from './lighthouse.mjs';

const [binary, screenshots] = process.argv.slice(2);
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const PAGES = ['whatsapp-sessions', 'whatsapp-sessions/system', 'incidents', 'outbox', 'outbox?state=dead', 'deliveries', 'explain', 'people', 'audit'];
const SESSIONS = '/admin/dashboard/whatsapp-sessions';
const WIDTHS = [360, 1440];
const BYTES_MAX = 60 * 1024;

/** Starts the whole system, and answers what its first lines say. */
async function start() {
  const system = spawn(binary, ['--memory', '--port', '0', '--sim-port', '0', '--sessions', '2', '--throttle', 'off'], { env: { ...process.env, BRIDGE_PHONE_FIELD: 'custom_field1' }, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  await new Promise((ready, fail) => {
    system.stdout.on('data', data => { log += data; if (log.includes('Ctrl-C ends it')) ready(); });
    system.stderr.on('data', () => {});
    system.on('exit', code => fail(new Error(`the system ended with ${code}: ${log}`)));
  });
  const find = pattern => log.match(pattern)?.[1] ?? assert.fail(`${pattern} is not in: ${log}`);
  return { system, api: find(/API +(http:\S+)/), link: find(/(http:\S+\/admin\/link\/\w+)/), sim: find(/Inbox +(http:\S+)\/sim/) };
}

const { system, api, link, sim } = await start();

/** Plays a fault, or puts a session into a state. */
async function play(path, body) {
  const answer = await fetch(`${sim}/sim/${path}`, { method: 'POST', body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

async function check(page, name) {
  // While a colour fades into that of another theme it has too little contrast, for 150 ms.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map(one => one.finished)));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.ok(!wide, `${name} is wider than the screen`);
  const { violations } = await new AxeBuilder({ page }).analyze();
  const told = violations.map(one => `${one.id}: ${one.nodes.map(node => node.target).join(' ')}`);
  assert.deepEqual(told, [], `axe-core at ${name}`);
}

async function shoot(page, name) {
  const file = `${name.replace(/\W+/g, '-')}.png`;
  await page.screenshot({ path: join(screenshots, file), fullPage: true });
}

/** Each page in each theme and width, in both languages, as it is now. */
async function look(browser, state, when) {
  for (const colorScheme of ['light', 'dark']) for (const width of WIDTHS) {
    const locale = width === 360 ? 'id-ID' : 'en-GB';
    const context = await browser.newContext({ colorScheme, locale, storageState: state, viewport: { width, height: width === 360 ? 740 : 900 } });
    const page = await context.newPage();
    for (const path of PAGES) {
      await page.goto(`${api}/admin/dashboard/${path}`);
      const name = `${when}-${path}-${colorScheme}-${width}`;
      await check(page, name);
      await shoot(page, name);
    }
    await context.close();
  }
}

const verdict = page => page.locator('#verdict');
const state = page => page.locator('#state');

/** A page with everything that belongs to it is small, for a browser that has none of it yet. */
async function weigh(storageState) {
  const context = await browser.newContext({ locale: 'en-GB', storageState });
  const page = await context.newPage();
  const bodies = [];
  page.on('response', response => bodies.push(response.body()));
  await page.goto(`${api}${SESSIONS}`, { waitUntil: 'networkidle' });
  const bytes = (await Promise.all(bodies)).reduce((sum, body) => sum + body.length, 0);
  assert.ok(bodies.length >= 3 && bytes > 1000 && bytes < BYTES_MAX, `${bytes} bytes in ${bodies.length} answers`);
  await context.close();
}

/** A session is unpaired and paired again in the browser only. */
async function pairAgain(page) {
  await page.goto(`${api}${SESSIONS}/system`);
  await page.getByText('Log out', { exact: true }).click();
  await page.getByRole('button', { name: 'Yes, log it out' }).click();
  await state(page).getByText('Waits for a scan').waitFor();
  await page.getByRole('button', { name: 'Connect to pair' }).click();
  await page.getByRole('img', { name: 'QR code' }).waitFor({ timeout: 15_000 });
  await check(page, 'QR code');
  await shoot(page, 'qr');
  await page.getByText('Pair with a code in place of a scan').click();
  await page.getByLabel('Number of the account').fill('08123456789');
  await page.getByRole('button', { name: 'Get a code' }).click();
  await page.getByText('SIMU-1234').waitFor();
  assert.doesNotMatch(page.url(), /SIMU/, 'the code is in no address');
  await check(page, 'linking code');
  await shoot(page, 'linking-code');
  await scan('system');
  await page.locator('#paired').getByText('Paired').waitFor({ timeout: 20_000 });
  await check(page, 'paired by a code');
  await page.getByRole('link', { name: 'Back to the session' }).click();
  await state(page).getByText('Ready').waitFor({ timeout: 20_000 });
}

/** What the phone does: the button of the simulator's page. */
async function scan(session) {
  const phone = await browser.newPage();
  await phone.goto(`${sim}/sim`);
  const card = phone.locator('.card', { hasText: `${session} is qr_wait` });
  await card.getByRole('button', { name: 'Scan the QR code' }).click();
  await phone.close();
}

async function addSession(page) {
  await page.goto(`${api}${SESSIONS}`);
  await page.getByLabel('Name').fill('branch-3');
  await page.getByRole('button', { name: 'Add and scan' }).click();
  await page.getByRole('img', { name: 'QR code' }).waitFor({ timeout: 15_000 });
  await scan('branch-3');
  await state(page).getByText('Ready').waitFor({ timeout: 20_000 });
  await page.goto(`${api}${SESSIONS}`);
  await page.locator('#row-branch-3').getByText('Ready').waitFor();
  await page.locator('#open-branch-3').click();
  await page.getByLabel('Weight').fill('30');
  await page.getByRole('button', { name: 'Set the weight' }).click();
  await page.locator('#facts').getByText('30').waitFor();
  await check(page, 'a session that was weighed');
}

/** Somebody without an account scans by a link, in both themes and widths; without script the page fetches itself again. */
async function pairByLink(page) {
  await play('session/session-2', { state: 'logged_out' });
  await page.goto(`${api}${SESSIONS}/session-2`);
  const connect = page.locator('#connect-to-pair');
  if (await connect.isVisible()) await connect.click();
  await page.getByText('The phone is with somebody else').click();
  await page.getByRole('button', { name: 'Make a link' }).click();
  await check(page, 'a link that was made');
  await shoot(page, 'link');
  const link = await page.locator('.link a').getAttribute('href');
  await page.reload();
  assert.equal(await page.locator('.link a').count(), 0, 'the link is shown once');
  const phone = await browser.newContext({ javaScriptEnabled: false, locale: 'id-ID', viewport: { width: 360, height: 740 } });
  const plain = await phone.newPage();
  await plain.goto(link);
  await plain.getByRole('button', { name: 'Tampilkan kode QR' }).click();
  await plain.getByRole('img').waitFor({ timeout: 30_000 });
  const state = await phone.storageState();
  for (const colorScheme of ['light', 'dark']) for (const width of WIDTHS) {
    const locale = width === 360 ? 'id-ID' : 'en-GB';
    const context = await browser.newContext({ colorScheme, locale, storageState: state, viewport: { width, height: 740 } });
    const shown = await context.newPage();
    await shown.goto(link);
    await shown.getByRole('img').waitFor();
    await check(shown, `pairing-${colorScheme}-${width}`);
    await shoot(shown, `pairing-${colorScheme}-${width}`);
    await context.close();
    const other = await browser.newContext({ colorScheme, locale, viewport: { width, height: 740 } });
    const used = await other.newPage();
    await used.goto(link);
    await used.getByRole('alert').waitFor();
    await check(used, `pairing-used-${colorScheme}-${width}`);
    await other.close();
  }
  await scan('session-2');
  await plain.getByText('Tertaut.').waitFor({ timeout: 30_000 });
  await phone.close();
  await page.goto(`${api}${SESSIONS}/session-2`);
  await page.locator('#state').getByText('Ready').waitFor({ timeout: 30_000 });
}

/** A notice that waits is shown, its message is found, and it is let be. */
async function discard(page) {
  for (const session of ['system', 'session-2', 'branch-3']) await play(`session/${session}`, { state: 'logged_out' });
  await play('payments/midtrans', { order_id: 'INV-7', custom_field1: '08123456789' });
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(`${api}/admin/dashboard/outbox`);
  await page.getByRole('heading', { name: 'INV-7' }).waitFor();
  await check(page, 'a notice that waits');
  await shoot(page, 'notice');
  await page.setViewportSize({ width: 1440, height: 900 });
  await shoot(page, 'notice-wide');
  await page.getByRole('link', { name: /^3EB0/ }).click();
  await page.getByText('Step by step').waitFor();
  await page.getByText('Waits, will be tried again').waitFor();
  await check(page, 'a message');
  await shoot(page, 'message');
  await page.goBack();
  await page.locator('summary', { hasText: 'Discard' }).click();
  await page.getByRole('button', { name: 'Yes, discard it' }).waitFor();
  await check(page, 'a notice that is to be discarded');
  await shoot(page, 'discard');
  await page.getByRole('button', { name: 'Yes, discard it' }).click();
  await page.getByText('INV-7 is discarded').waitFor();
  await page.getByText('No notice waits.').waitFor();
  for (const session of ['system', 'session-2', 'branch-3']) await play(`session/${session}`, { state: 'online' });
}

/** Notices that are late are counted, and all are sent by one press once a session is back. */
async function sendLate(page) {
  const sessions = ['system', 'session-2', 'branch-3'];
  for (const session of sessions) await play(`session/${session}`, { state: 'logged_out' });
  for (const order of ['INV-11', 'INV-12']) await play('payments/midtrans', { order_id: order, custom_field1: '08123456789' });
  await page.goto(`${api}/admin/dashboard/outbox`);
  await page.getByText('2 notices are late').waitFor();
  await everyTheme(page, 'late');
  for (const session of sessions) await play(`session/${session}`, { state: 'online' });
  await page.getByRole('button', { name: 'Send all that are late now' }).click();
  await page.getByText('2 notices are tried within a minute.').waitFor();
  await page.getByText('No notice waits.').waitFor({ timeout: 90_000 });
  await page.goto(`${api}/admin/dashboard/deliveries`);
  await page.getByLabel('Phone, payment, message id or request id').fill('INV-11');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByRole('heading', { name: 'Payment INV-11' }).waitFor();
  await everyTheme(page, 'payment');
}

/** While WhatsApp locks every account for new contacts, the pages say that, and what to do. */
async function knownContactsOnly(page) {
  await play('faults', { scenario: 'cold_locked' });
  for (let number = 0; number < 12; number += 1) {
    await post('/api/auth/signup', { name: 'Budi', phone: `0813${4_000_000 + number}`, password: 'kuda-lari-kencang' });
  }
  await page.goto(`${api}${SESSIONS}`);
  await verdict(page).getByText('Messages go out to known contacts only').waitFor({ timeout: 20_000 });
  await everyTheme(page, 'locked');
  await page.locator('#open-branch-3').click();
  await page.getByRole('heading', { name: 'What that means' }).waitFor();
  await page.getByText('Take out of the pool', { exact: true }).click();
  await page.getByRole('button', { name: 'Yes, take it out' }).waitFor();
  await everyTheme(page, 'locked-session');
  await page.goto(`${api}/admin/dashboard/explain`);
  await page.getByLabel('Phone').fill('08134000001');
  await page.getByLabel('Purpose').selectOption('signup');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText('No session can send now').waitFor();
  await everyTheme(page, 'locked-explained');
  await page.goto(`${api}/admin/dashboard/incidents`);
  await page.getByText('Writes to known contacts only').first().waitFor({ timeout: 90_000 });
  await everyTheme(page, 'locked-incidents');
  await page.goto(`${api}/admin/dashboard/audit`);
  await everyTheme(page, 'audit-full');
}

/** A notice that WhatsApp has no phone for ends unsent. Once it has, an operator sends it again, and it arrives. */
async function retryDead(page) {
  await play('faults', { scenario: 'not_on_whatsapp', phones: ['628123000222'] });
  await play('payments/midtrans', { order_id: 'INV-8', custom_field1: '08123000222' });
  await page.goto(`${api}/admin/dashboard/outbox`);
  await page.getByRole('link', { name: 'Not sent' }).click();
  await page.getByRole('heading', { name: 'INV-8' }).waitFor({ timeout: 70_000 });
  await everyTheme(page, 'dead');
  await page.getByRole('link', { name: 'Refresh' }).click();
  assert.match(page.url(), /state=dead/, 'what is shown stays');
  await play('faults', { scenario: 'healthy' });
  await page.getByRole('button', { name: 'Send now' }).click();
  await page.getByText('INV-8 is tried within a minute.').waitFor();
  await page.getByText('No notice has ended unsent.').waitFor();
  await page.getByRole('link', { name: 'Waiting' }).click();
  // Whoever delivers comes by each minute; the page refreshes itself.
  await page.getByText('No notice waits.').waitFor({ timeout: 90_000 });
  const inbox = await (await fetch(`${sim}/sim/messages?phone=628123000222`)).json();
  assert.match(inbox.messages.at(-1).text, /INV-8/);
  assert.equal(inbox.messages.length, 1);
}

/** A user who asked for a code: they have one, and a login. */
const SITI = '08129000111';
const post = (path, body) => fetch(`${api}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** The code in the last message to a phone. */
async function codeOf(digits) {
  const inbox = await (await fetch(`${sim}/sim/messages?phone=${digits}`)).json();
  const { text } = inbox.messages.at(-1);
  return text.match(/\d{6}/)[0];
}

async function signUp() {
  const asked = await (await post('/api/auth/signup', { name: 'Siti <b>', phone: SITI, password: 'kuda-lari-kencang' })).json();
  const answer = await post('/api/auth/verify-otp', { identifier: SITI, otp: await codeOf('628129000111'), challengeId: asked.data.challengeId, purpose: 'signup' });
  assert.equal(answer.status, 200, await answer.text());
}

/** Both themes on a phone and on a large screen, of the page as it is. */
async function everyTheme(page, name) {
  for (const colorScheme of ['light', 'dark']) for (const width of WIDTHS) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: width === 360 ? 740 : 900 });
    await check(page, `${name}-${colorScheme}-${width}`);
    await shoot(page, `${name}-${colorScheme}-${width}`);
  }
}

/** A code that never came is found by phone and explained, by keyboard alone; no address has the number. */
async function findAndExplain(page) {
  await signUp();
  await page.goto(`${api}/admin/dashboard/deliveries`);
  await page.getByLabel('Phone, payment, message id or request id').focus();
  await page.keyboard.type(SITI);
  await page.keyboard.press('Enter');
  await page.getByText('Code to sign up').first().waitFor();
  assert.ok(!/8129000111/.test(page.url()), page.url());
  await everyTheme(page, 'found');
  await page.getByLabel('Phone, payment, message id or request id').fill('0812');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByRole('alert').getByText('neither a phone number nor an id').waitFor();
  assert.equal(await page.locator('#sought').inputValue(), '0812', 'what was typed stays');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'sought');
  await everyTheme(page, 'not-found');
  await page.getByRole('link', { name: 'Explain a code' }).click();
  await page.getByLabel('Phone').fill(SITI);
  await page.getByLabel('Purpose').selectOption('sso');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText('If somebody asked now').waitFor();
  assert.ok(!/8129000111/.test(page.url()), page.url());
  await everyTheme(page, 'explained');
}

/** A user's logins are ended, and the user is erased: without script. */
async function endAndErase(storageState) {
  const context = await browser.newContext({ javaScriptEnabled: false, locale: 'en-GB', storageState });
  const page = await context.newPage();
  await page.goto(`${api}/admin/dashboard/people`);
  await page.getByLabel('Phone').fill(SITI);
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByRole('heading', { name: 'Siti <b>' }).waitFor();
  await shoot(page, 'person');
  await page.getByText('End all logins').click();
  await page.locator('#end-all').waitFor();
  await page.locator('#end-1').click();
  await page.getByText('None is open.').waitFor();
  assert.equal(await page.locator('#end-all').count(), 0, 'there is nothing to end');
  await page.getByText('Erase this phone').click();
  await page.getByLabel('Type the whole number once more').fill('08120000000');
  await page.locator('#erase').click();
  await page.getByText('Nothing was erased.').waitFor();
  await page.getByLabel('Type the whole number once more').fill(SITI);
  await page.locator('#erase').click();
  await page.getByText('Erased.').waitFor();
  await page.getByRole('heading', { name: 'No account' }).waitFor();
  await page.setViewportSize({ width: 360, height: 740 });
  await shoot(page, 'erased');
  await context.close();
}

/** What changes is swapped in, and what is typed, focused and scrolled stays. */
async function stayLive(page) {
  await page.goto(`${api}${SESSIONS}`);
  await verdict(page).getByText('Messages go out').waitFor();
  const name = page.getByLabel('Name');
  await name.fill('half a na');
  await play('faults', { scenario: 'whatsapp_unreachable' });
  await verdict(page).getByText('No message goes out').waitFor({ timeout: 20_000 });
  assert.equal(await name.inputValue(), 'half a na');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'name');
  assert.match(await page.title(), /^No message goes out/);
  await look(browser, await page.context().storageState(), 'stopped');
  await play('faults', { scenario: 'whatsapp_back' });
  await play('faults', { scenario: 'healthy' });
  for (const session of ['system', 'session-2', 'branch-3']) await play(`session/${session}`, { state: 'online' });
  await verdict(page).getByText('Messages go out', { exact: true }).waitFor({ timeout: 30_000 });
  await page.context().setOffline(true);
  await page.locator('#live.stale').waitFor({ timeout: 30_000 });
  await page.locator('#stale').getByText('This is how it was at').waitFor();
  await check(page, 'a page that could not refresh');
  await shoot(page, 'stale');
  await page.context().setOffline(false);
  await page.locator('#live:not(.stale)').waitFor({ timeout: 60_000 });
}

/** Presses the key until the element of that id has the focus. */
async function tabTo(page, id) {
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(id => document.activeElement?.id === id, id)) return;
  }
  assert.fail(`the key leads to no ${id}`);
}

/** Everything can be reached and done with the keyboard alone. */
async function byKeyboard(page) {
  await page.goto(`${api}${SESSIONS}`);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.className), 'skip');
  await tabTo(page, 'open-session-2');
  await page.keyboard.press('Enter');
  await page.locator('#disconnect').waitFor();
  await tabTo(page, 'disconnect');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid', 'what has the focus shows it');
  await page.keyboard.press('Enter');
  await page.getByRole('status').getByText('session-2 is disconnected.').waitFor();
  await page.goto(`${api}${SESSIONS}`);
  await page.locator('#row-session-2').getByText('Disconnected').waitFor();
  await page.locator('#connect-session-2').press('Enter');
  await page.getByRole('status').getByText('session-2 was told to connect.').waitFor();
  assert.ok(!page.url().includes('done='), 'what was done is told once');
}

/** Without script the forms and the link do it all. */
async function withoutScript(storageState) {
  const context = await browser.newContext({ javaScriptEnabled: false, locale: 'en-GB', storageState });
  const page = await context.newPage();
  await page.goto(`${api}${SESSIONS}/system`);
  await page.locator('#disconnect').click();
  await page.getByText('system is disconnected.').waitFor();
  await page.goto(`${api}${SESSIONS}`);
  await page.locator('#connect-system').click();
  await page.getByText('system was told to connect.').waitFor();
  await page.getByRole('link', { name: 'Refresh' }).click();
  await page.locator('#row-system').waitFor();
  await context.close();
}

/** Who is signed out is told so, and gets nowhere. */
async function signOut(page) {
  await page.goto(`${api}${SESSIONS}`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.goto(`${api}${SESSIONS}`);
  assert.match(page.url(), /\/admin\/login/);
  await check(page, 'sign-in page');
  await shoot(page, 'login');
}

const LAUNCH = {
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
};

/** The pages that are opened the most, as Lighthouse sees them. */
function lighthouse(state) {
  const page = path => ({ address: `${api}${path}`, signedIn: true });
  return holdScores({
    'sign-in page': { address: `${api}/admin/login`, signedIn: false },
    sessions: page(SESSIONS),
    'one session': page(`${SESSIONS}/system`),
    outbox: page('/admin/dashboard/outbox?state=dead'),
    deliveries: page('/admin/dashboard/deliveries'),
  }, state, LAUNCH);
}

let browser;
try {
  assert.ok(existsSync(CHROMIUM), `there is no ${CHROMIUM}: apt-get install chromium`);
  mkdirSync(screenshots, { recursive: true });
  browser = await chromium.launch(LAUNCH);
  const context = await browser.newContext({ locale: 'en-GB' });
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', error => faults.push(error.message));
  await page.goto(link);
  await page.getByRole('button').click();
  await verdict(page).waitFor();
  const login = await context.storageState();
  const steps = {
    'every page': () => look(browser, login, 'well'),
    'the weight of a page': () => weigh(login),
    'by keyboard': () => byKeyboard(page),
    Lighthouse: () => lighthouse(login),
    'found and explained': () => findAndExplain(page),
    'ended and erased': () => endAndErase(login),
    'unpaired and paired again': () => pairAgain(page),
    'a session added': () => addSession(page),
    'paired by a link': () => pairByLink(page),
    'a notice discarded': () => discard(page),
    'late notices sent': () => sendLate(page),
    'a dead notice sent again': () => retryDead(page),
    'live': () => stayLive(page),
    'without script': () => withoutScript(login),
    'known contacts only': () => knownContactsOnly(page),
    'signed out': () => signOut(page),
  };
  for (const [name, step] of Object.entries(steps)) {
    const began = Date.now();
    await step();
    console.log(`${name}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
  }
  assert.deepEqual(faults, [], 'errors of the script');
} finally {
  await browser?.close();
  system.removeAllListeners('exit');
  system.kill();
}
