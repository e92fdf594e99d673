// SPDX-License-Identifier: Apache-2.0
// What a person meets, in Chromium: signs in by keyboard, is refused, signs out; each page by axe-core, on a phone, in
// the dark, in each language. Prints one JSON line a check; t/interop/browser.t reads them.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const { SITE, ELSEWHERE, SHOTS, CHROMIUM, ALL } = process.env;
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const ok = (good, name, detail) => say({ ok: !!good, name, detail: good ? undefined : detail });
const is = (got, want, name) => ok(got === want, name, `got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });

// Where it was when it did not go on.
let last;
process.on('uncaughtException', async (error) => {
    say({ ok: false, name: String(error).split('\n')[0], detail: last ? `${last.url()}\n${await last.locator('body').textContent().catch(String)}` : '' });
    process.exit(1);
});

async function open(options = {}) {
    const context = await browser.newContext({ viewport: { width: 640, height: 480 }, locale: 'en-US', ...options });
    const page = await context.newPage();
    last = page;
    page.complaints = [];
    page.on('console', (message) => {
        // a page that is an error by its status is one here as well
        if (message.type() === 'error' && !/status of (4|5)\d\d/.test(message.text())) page.complaints.push(message.text());
    });
    page.on('pageerror', (error) => page.complaints.push(String(error)));
    page.on('request', (request) => {
        if (request.resourceType() !== 'document') page.complaints.push(`asks for ${request.url()}`);
    });
    page.setDefaultTimeout(20000);
    return page;
}

// Everything that holds for any page.
async function check(page, name, shot) {
    await page.evaluate(axe);
    const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations', 'incomplete'] }));
    const found = (list) => list.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' ')}`).join('\n');
    is(found(result.violations), '', `${name}: axe-core has nothing to say`);
    is(found(result.incomplete), '', `${name}: and nothing it could not decide`);
    const seen = await page.evaluate(() => ({
        width: document.documentElement.scrollWidth - window.innerWidth,
        headings: document.querySelectorAll('h1').length,
        mains: document.querySelectorAll('main').length,
        dir: getComputedStyle(document.body).direction,
        small: [...document.querySelectorAll('main a, main button')].filter((e) => e.getBoundingClientRect().height < 44).length,
        scripts: document.scripts.length,
        title: document.title,
        heading: document.querySelector('h1')?.textContent,
    }));
    ok(seen.width <= 0, `${name}: no scrolling sideways`, `${seen.width} px too wide`);
    is(seen.headings, 1, `${name}: one heading`);
    is(seen.mains, 1, `${name}: one main part`);
    is(seen.small, 0, `${name}: whatever can be pressed is high enough for a thumb`);
    is(seen.scripts, 0, `${name}: no script`);
    ok(seen.title.startsWith(seen.heading), `${name}: the title begins with the heading`, seen.title);
    is(page.complaints.join('\n'), '', `${name}: the console is silent, nothing else is loaded`);
    page.complaints.length = 0;
    if (shot) {
        // the port of today is not for pictures
        await page.evaluate(() => { document.querySelector('header bdi').textContent = 'studio.example.org'; });
        await page.screenshot({ path: `${SHOTS}/${shot}.png`, fullPage: true });
    }
    return seen;
}

const heading = (page) => page.locator('h1').textContent();
const session = async (page) => {
    const answer = await page.context().request.get(`${SITE}/edxsso/session`);
    return answer.status() === 200 ? answer.json() : null;
};

// At a stand-in's own sign-in page.
async function signInThere(page, user) {
    await page.waitForSelector('[name=password]');
    await page.fill('[name=username]', user);
    await page.fill('[name=password]', user);
    await page.press('[name=password]', 'Enter');
}

// ---- signing in, by keyboard alone

{
    const page = await open();
    await page.goto(`${SITE}/studio/`);
    is(await heading(page), 'Sign in', 'a protected page leads to the choice');
    await check(page, 'sign-in', 'sign-in');
    await page.keyboard.press('Tab');
    is(await page.evaluate(() => document.activeElement.textContent.trim()), 'Open edX', 'Tab goes to the first provider');
    const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle + ' ' + getComputedStyle(document.activeElement).outlineWidth);
    is(ring, 'solid 3px', 'which shows that it has the focus');
    await page.keyboard.press('Tab');
    is(await page.evaluate(() => document.activeElement.textContent.trim()), 'Campus account', 'Tab again: the second');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await signInThere(page, 'jsmith');
    await page.waitForURL(`${SITE}/studio/`);
    is(await heading(page), 'Studio', 'signed in at the LMS, where it was going');
    is((await session(page))?.provider, 'lms', 'by the LMS');
    page.complaints.length = 0;

    // ---- not let in, another account

    const refused = await page.goto(`${SITE}/staff/`);
    is(refused.status(), 403, 'a place for others');
    is(await heading(page), 'You do not have access to this page', 'says so');
    ok((await page.locator('main').textContent()).includes('You are signed in as jsmith.'), 'and who is signed in');
    await check(page, 'refused', 'refused');

    // ---- another site asks to sign out

    await page.goto(ELSEWHERE);
    page.complaints.length = 0;
    await page.evaluate((url) => { location.href = url; }, `${SITE}/edxsso/logout`);
    await page.waitForURL(`${SITE}/edxsso/logout`);
    is(await heading(page), 'Sign out?', 'another site asks to sign out: asks first');
    await check(page, 'sign-out', 'sign-out');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForURL(`${SITE}/`);
    ok(await session(page), 'Stay signed in: still there');
    await page.goto(ELSEWHERE);
    await page.evaluate((url) => { location.href = url; }, `${SITE}/edxsso/logout`);
    await page.waitForURL(`${SITE}/edxsso/logout`);
    await page.click('button');
    await page.waitForURL((url) => url.origin !== SITE || url.pathname !== '/edxsso/logout');
    is(await session(page), null, 'Sign out: signed out');
    page.complaints.length = 0;
    await page.goto(`${SITE}/edxsso/logout`);
    is(await heading(page), 'You are signed out', 'signed out already');
    await check(page, 'signed-out', 'signed-out');
    await page.click('main a');
    is(await heading(page), 'Sign in', 'and in again');
    is(await page.locator('.choices li:first-child .note').textContent(), 'Last used', 'with the choice of last time first');
    await check(page, 'sign-in again', 'sign-in-again');
    await page.context().close();
}

// ---- the other provider, another account, without JavaScript

{
    const page = await open({ javaScriptEnabled: false });
    await page.goto(`${SITE}/studio/`);
    await page.click('text=Campus account');
    await page.click('text=Adele Vance');
    await page.waitForURL(`${SITE}/studio/`);
    is((await session(page))?.provider, 'entra', 'signed in at Entra, without JavaScript');
    await page.goto(`${SITE}/staff/`);
    await page.click('text=Sign out, to use another account');
    await page.waitForLoadState();
    is(await session(page), null, 'another account: this one is signed out');
    await page.context().close();
}

// ---- a form that was sent before sign-in

{
    const page = await open();
    await page.goto(`${SITE}/form.html`);
    await page.click('button');
    await signInThere(page, 'jsmith');
    await page.waitForURL((url) => url.origin === SITE);
    is(await heading(page), 'You are signed in', 'a form has been kept');
    page.complaints.length = 0;
    await check(page, 'form kept', 'replay');
    await page.click('text=Send the form');
    await page.waitForURL(/\/save/);
    const sent = await page.locator('body').textContent();
    ok(sent.startsWith('POST /save HTTP') && sent.includes('title=K%C3%B6ln+%26+more'), 'and arrives as it was', sent);
    ok(sent.includes(`\nOrigin: ${SITE}\n`), 'with the Origin that an app expects', sent);
    await page.context().close();
}

// ---- what is wrong

const wrong = [
    ['error', '/edxsso/callback/lms?code=x&state=y', 400, 'This sign-in cannot be finished'],
    ['link', '/edxsso/login?provider=none', 400, 'This link cannot be used'],
    ['nothing', '/edxsso/nothing', 404, 'There is nothing here'],
    ['down', '/edxsso/login?provider=down', 503, 'Please try again in a moment'],
];
{
    const page = await open();
    for (const [name, path, status, text] of wrong) {
        const answer = await page.goto(SITE + path);
        is(answer.status(), status, `${name}: ${status}`);
        is(await heading(page), text, `${name}: what happened`);
        ok(/^[\w-]{8}$/.test(await page.locator('code').textContent()), `${name}: an id`);
        await check(page, name, name === 'error' ? 'error' : undefined);
    }
    await page.goto(`${SITE}/edxsso/login?provider=strict&next=/studio/`);
    await signInThere(page, 'nomail');
    await page.waitForURL(/complete/);
    is(await heading(page), 'Your profile is incomplete', 'a claim is missing');
    await check(page, 'incomplete', 'incomplete');
    await page.context().close();
}

// ---- on a phone, in the dark, in each language, on paper

const signIn = { en: 'Sign in', de: 'Anmelden', es: 'Iniciar sesión', fr: 'Se connecter', ar: 'تسجيل الدخول' };
for (const colorScheme of ['light', 'dark']) {
    for (const [tag, text] of Object.entries(signIn)) {
        if (colorScheme === 'dark' && tag !== 'en' && tag !== 'ar') continue; // the colours are the same
        if (!ALL && `${tag} ${colorScheme}` !== 'de light' && `${tag} ${colorScheme}` !== 'ar dark') continue;
        const page = await open({ colorScheme, locale: tag, viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true });
        const name = `${tag}, ${colorScheme}, 320 px`;
        await page.goto(`${SITE}/edxsso/login`);
        is(await heading(page), text, `${name}: its language`);
        const seen = await check(page, `${name}: sign-in`, `sign-in-${tag}-${colorScheme}`);
        is(seen.dir, tag === 'ar' ? 'rtl' : 'ltr', `${name}: its direction`);
        await page.goto(`${SITE}/edxsso/callback/lms?code=x&state=y`);
        await check(page, `${name}: error`, `error-${tag}-${colorScheme}`);
        const [ground, ink] = await page.evaluate(() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]
            .map((c) => c.match(/\d+/g).slice(0, 3).reduce((sum, n) => sum + Number(n), 0)));
        ok(colorScheme === 'dark' ? ground < 150 && ink > 500 : ground > 600 && ink < 200, `${name}: its colours`, `${ground} ${ink}`);
        await page.context().close();
    }
}
{
    const page = await open({ colorScheme: 'dark' });
    await page.goto(`${SITE}/edxsso/nothing`);
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    is(await page.evaluate(() => getComputedStyle(document.querySelector('main')).backgroundColor), 'rgb(255, 255, 255)', 'on paper: white');
    is(await page.evaluate(() => getComputedStyle(document.querySelector('.actions')).display), 'none', 'on paper: nothing to press');
    await page.emulateMedia({ media: 'screen', forcedColors: 'active' });
    await check(page, 'forced colours');
    await page.emulateMedia({ media: 'screen', forcedColors: 'none' });
    await page.evaluate(() => { document.documentElement.style.fontSize = '200%'; });
    await page.setViewportSize({ width: 640, height: 480 });
    await check(page, 'letters twice as large');
    await page.context().close();
}

await browser.close();
say({ done: true });
