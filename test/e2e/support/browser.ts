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
  // Test networks count as local ones, which pages may not reach unasked.
  '--disable-features=WebRtcHideLocalIpsWithMdns,CalculateNativeWinOcclusion,LocalNetworkAccessChecks',
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

/** Where the browser's program is, unless `launch` is told otherwise. */
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export class TestBrowser {
  readonly browser: Browser;
  readonly #files: Files;
  /** Absent for a browser that is told its pages instead of fetching them. */
  readonly #pages: Server | undefined;

  private constructor(browser: Browser, files: Files, pages: Server | undefined) {
    this.browser = browser;
    this.#files = files;
    this.#pages = pages;
  }

  /** `flags`: beside those that every test needs. */
  static async launch(flags: readonly string[] = []): Promise<TestBrowser> {
    const [browser, files] = await Promise.all([launchProgram(CHROMIUM, flags), pageFiles()]);
    return new TestBrowser(browser, files, await serve(files));
  }

  /** A browser that this program starts where it cannot reach us, as in a network namespace. */
  static async launchElsewhere(executablePath: string, flags: readonly string[] = []): Promise<TestBrowser> {
    const [browser, files] = await Promise.all([launchProgram(executablePath, flags), pageFiles()]);
    return new TestBrowser(browser, files, undefined);
  }

  /** A page with the client in it, not joined yet. */
  async client(): Promise<BrowserClient> {
    const page = await this.browser.newPage();
    page.on('pageerror', (error) => process.stderr.write(`page error: ${error.message}\n`));
    if (process.env.E2E_CONSOLE) page.on('console', (line) => process.stderr.write(`page: ${line.text()}\n`));
    if (this.#pages === undefined) {
      await page.route('http://127.0.0.1/**', async (route) => {
        const [contentType, body] = this.#files[new URL(route.request().url()).pathname] ?? [];
        await route.fulfill({ status: body === undefined ? 404 : 200, contentType, body });
      });
    }
    await page.goto(`http://127.0.0.1:${(this.#pages?.address() as AddressInfo | undefined)?.port ?? 80}/`);
    return new BrowserClient(page);
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.#pages?.close();
  }
}

function launchProgram(executablePath: string, flags: readonly string[]): Promise<Browser> {
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
}

/** Content type and content, by path. */
type Files = Record<string, [string, string | Buffer]>;

/** The page, its script and the end-to-end encryption worker of livekit-client. */
async function pageFiles(): Promise<Files> {
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
  return {
    '/': ['text/html', '<!doctype html><meta charset="utf-8"><body><script src="/client.js"></script>'],
    '/client.js': ['text/javascript', script.outputFiles[0]?.text ?? ''],
    '/e2ee-worker.js': ['text/javascript', worker],
  };
}

async function serve(files: Files): Promise<Server> {
  const server = createServer((request, response) => {
    const file = files[request.url ?? ''];
    response.writeHead(file === undefined ? 404 : 200, { 'content-type': file?.[0] ?? 'text/plain' });
    response.end(file?.[1]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
