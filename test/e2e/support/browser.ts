/** Real Chromium with livekit-client: each `BrowserClient` is a page of its own. */

import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { PageClient } from '../page/client.ts';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--auto-select-desktop-capture-source=Entire screen',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-features=WebRtcHideLocalIpsWithMdns,CalculateNativeWinOcclusion',
  '--allow-loopback-in-peer-connection',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  '--disable-background-timer-throttling',
];

/** A function that runs in the page with the client there. */
type InPage<A, R> = (client: PageClient, argument: A) => R | Promise<R>;

export class BrowserClient {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Runs in the page; what it closes over is not there. */
  async run<A, R>(action: InPage<A, R>, argument?: A): Promise<R> {
    const source = `async ([body, argument]) => (0, eval)(body)(window.client, argument)`;
    return (await this.page.evaluate(
      `(${source})([${JSON.stringify(`(${action.toString()})`)}, ${JSON.stringify(argument ?? null)}])`,
    )) as R;
  }

  async close(): Promise<void> {
    await this.page.close();
  }
}

export class TestBrowser {
  readonly browser: Browser;
  readonly #pages: Server;

  private constructor(browser: Browser, pages: Server) {
    this.browser = browser;
    this.#pages = pages;
  }

  /** `flags`: beside those that every test needs. */
  static async launch(flags: readonly string[] = []): Promise<TestBrowser> {
    const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
    const args = [...FLAGS, ...flags];
    const [browser, pages] = await Promise.all([chromium.launch({ executablePath, args }), servePages()]);
    return new TestBrowser(browser, pages);
  }

  /** A page with the client in it, not joined yet. */
  async client(): Promise<BrowserClient> {
    const page = await this.browser.newPage();
    page.on('pageerror', (error) => process.stderr.write(`page error: ${error.message}\n`));
    if (process.env.E2E_CONSOLE) page.on('console', (line) => process.stderr.write(`page: ${line.text()}\n`));
    await page.goto(`http://127.0.0.1:${(this.#pages.address() as AddressInfo).port}/`);
    return new BrowserClient(page);
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.#pages.close();
  }
}

/** The page, its script and the end-to-end encryption worker of livekit-client. */
async function servePages(): Promise<Server> {
  const script = await build({
    entryPoints: [fileURLToPath(new URL('../page/client.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    logLevel: 'warning',
  });
  const worker = await readFile(
    fileURLToPath(new URL('../../../node_modules/livekit-client/dist/livekit-client.e2ee.worker.js', import.meta.url)),
  );
  const files: Record<string, [string, string | Buffer]> = {
    '/': ['text/html', '<!doctype html><meta charset="utf-8"><body><script src="/client.js"></script>'],
    '/client.js': ['text/javascript', script.outputFiles[0]?.text ?? ''],
    '/e2ee-worker.js': ['text/javascript', worker],
  };
  const server = createServer((request, response) => {
    const file = files[request.url ?? ''];
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': file?.[0] ?? 'text/plain' });
    response.end(file?.[1]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
