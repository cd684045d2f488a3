/** The demo page as a newcomer uses it: two tabs, one call; and in a window of a phone's size. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { TestBrowser } from './support/browser.ts';
import { freePort, spawnServer } from './support/server.ts';

let browser: TestBrowser;
let address: string;
let server: ReturnType<typeof spawnServer>;

before(async () => {
  const [port, udp] = [await freePort(), await freePort()];
  server = spawnServer(['--dev', '--port', String(port), '--udp-port', String(udp)]);
  browser = await TestBrowser.launch();
  const printed = await waitForText(/http:\/\/\S+\/demo\//);
  address = printed;
});

after(async () => {
  await browser?.close();
  const ended = once(server.child, 'exit');
  server.child.kill('SIGTERM');
  await ended;
});

async function waitForText(pattern: RegExp): Promise<string> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const found = pattern.exec(server.output())?.[0];
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the demo page's address was not printed:\n${server.output()}`);
}

async function join(name: string, size = { width: 1280, height: 800 }): Promise<Page> {
  const page = await browser.browser.newPage({ viewport: size, permissions: ['camera', 'microphone'] });
  await page.goto(`${address}?room=test&name=${name}`);
  await page.click('button[type=submit]');
  await page.waitForSelector('#call:not([hidden])');
  return page;
}

test('two tabs are in a call with pictures, chat, layers and numbers', async () => {
  const [alice, bob] = [await join('Alice'), await join('Bob')];
  for (const page of [alice, bob]) {
    await page.waitForFunction(() => document.querySelectorAll('.tile video').length === 2);
    await page.waitForFunction(() =>
      [...document.querySelectorAll<HTMLVideoElement>('.tile video')].every((video) => video.videoWidth > 0),
    );
  }
  await alice.click('#control-chat');
  await alice.fill('#message', 'hello Bob');
  await alice.press('#message', 'Enter');
  await bob.click('#control-chat');
  await bob.waitForFunction(() => document.getElementById('messages')?.textContent?.includes('hello Bob'));
  await bob.selectOption('.tile:not(.mirrored) select', 'Low');
  await bob.waitForFunction(() =>
    [...document.querySelectorAll('.tile:not(.mirrored) .resolution')].some((mark) =>
      /×180$/.test(mark.textContent ?? ''),
    ),
  );
  await bob.click('#show-numbers');
  await bob.waitForFunction(() => /kbit\/s/.test(document.getElementById('numbers')?.textContent ?? ''));
  await alice.click('#control-leave');
  await bob.waitForFunction(() => document.querySelectorAll('.tile').length === 1);
  await Promise.all([alice.close(), bob.close()]);
});

test('the page fits a phone', async () => {
  const phone = await join('Phone', { width: 390, height: 780 });
  await phone.waitForSelector('.tile video');
  const fits = await phone.evaluate(() => {
    const { scrollWidth, scrollHeight } = document.documentElement;
    const leave = document.getElementById('control-leave')?.getBoundingClientRect();
    return {
      wide: scrollWidth <= innerWidth,
      high: scrollHeight <= innerHeight,
      reachable: leave !== undefined && leave.bottom <= innerHeight && leave.right <= innerWidth,
    };
  });
  assert.deepEqual(fits, { wide: true, high: true, reachable: true });
  await phone.close();
});
