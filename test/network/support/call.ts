/** A call between a browser and a native client, each behind the network that the test is about. */

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { BrowserClient } from '../../e2e/support/browser.ts';
import { freshRoom, joinToken } from '../../e2e/support/server.ts';
import { type InnerBrowser, launchInside, type Surroundings } from './browser.ts';
import type { Internet } from './internet.ts';
import { NativeClient } from './native.ts';
import type { InnerServer } from './server.ts';

export interface CallOptions extends Surroundings {
  singlePeerConnection?: boolean;
  relayOnly?: boolean;
}

export class Call {
  readonly page: BrowserClient;
  readonly native: NativeClient;
  readonly #browser: InnerBrowser;
  #said = 0;

  private constructor(browser: InnerBrowser, page: BrowserClient, native: NativeClient) {
    this.#browser = browser;
    this.page = page;
    this.native = native;
  }

  /** Both join and publish; resolves once each sees the other and data has passed both ways. */
  static async begin(internet: Internet, server: InnerServer, options: CallOptions = {}): Promise<Call> {
    const { singlePeerConnection = true, relayOnly = false, hosts = {} } = options;
    internet.native.hosts(hosts);
    const native = NativeClient.start(internet.native, options.authority?.file);
    const browser = await launchInside(internet.browser, options);
    const call = new Call(browser, await browser.browser.client(), native);
    try {
      const room = freshRoom();
      const [browserToken, nativeToken] = [await joinToken(room, 'browser'), await joinToken(room, 'native')];
      const join = { url: server.url, token: browserToken, singlePeerConnection, relayOnly };
      await Promise.all([
        call.page.run((c, join) => c.join(join), join),
        native.join(server.url, nativeToken, relayOnly),
      ]);
      await Promise.all([call.page.run((c) => c.showPicture({ color: 'blue' })), native.show()]);
      await call.works();
      return call;
    } catch (error) {
      console.error(server.output().slice(-6_000));
      await call.end();
      throw error;
    }
  }

  /** Resolves once pictures with the right content are decoded on both sides, and data has passed both ways. */
  async works({ timeout = 20_000, dataSize = 100 } = {}): Promise<void> {
    const number = ++this.#said;
    const text = (from: string) => `${number} of the ${from} `.padEnd(dataSize, 'x');
    const { frames } = await this.native.state();
    await Promise.all([
      this.#sees(timeout),
      this.native.until((state) => state.frames >= frames + 20 && state.color === 'blue', 'blue pictures', timeout),
      this.#say(text('browser')),
      this.native.say(text('native')),
      this.native.until(({ data }) => data.includes(text('browser')), 'data of the browser', timeout),
      this.#hears(text('native'), timeout),
    ]);
  }

  async #sees(timeout: number): Promise<void> {
    const seen = await this.page.run((c, timeout) => c.see('native', 'camera', timeout), timeout);
    assert.equal(seen.color, 'green');
  }

  async #say(text: string): Promise<void> {
    await this.page.run((c, text) => {
      return c.room.localParticipant.publishData(new TextEncoder().encode(text), { reliable: true });
    }, text);
  }

  async #hears(text: string, timeout: number): Promise<void> {
    const heard = await this.page.run((c, timeout) => c.waitFor('data', undefined, timeout), timeout);
    assert.equal((heard as { text: string }).text, text);
  }

  /** How peer connections send, each kind once, as in `['udp']` or `['relay-tls']`. */
  async routes(): Promise<{ browser: string[]; native: string[] }> {
    const routes = await Promise.all([this.page.run((c) => c.routes()), this.native.routes()]);
    const [browser = [], native = []] = routes.map((kinds) => [...new Set(kinds)]);
    return { browser, native };
  }

  /** Resolves once peer connections send so. */
  async takes(expected: { browser: string[]; native: string[] }, timeout: number): Promise<void> {
    const deadline = Date.now() + timeout;
    for (;;) {
      const routes = await this.routes();
      if (isDeepStrictEqual(routes, expected)) return;
      if (Date.now() > deadline) assert.deepEqual(routes, expected);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Where the browser's peer connections send to, each once. */
  async destinations(): Promise<string[]> {
    return [...new Set(await this.page.run((c) => c.paths()))];
  }

  /** The addresses that the server offered to the browser, each once. */
  async offered(): Promise<string[]> {
    return [...new Set(await this.page.run((c) => c.offered()))];
  }

  /** The longest time that either side went without a new picture since the last question, milliseconds. */
  async gap(): Promise<number> {
    return Math.max(await this.native.gap(), await this.page.run((c) => c.gap('native')));
  }

  /** How often either side lost its session. */
  async disconnections(): Promise<number> {
    return (await this.interruptions()).filter((event) => event === 'disconnected').length;
  }

  /** What either side's SDK did about a connection that it lost. */
  async interruptions(): Promise<string[]> {
    const names = ['signal-reconnecting', 'reconnecting', 'disconnected'];
    const counts = await this.page.run((c, names) => names.map((name) => c.count(name)), names);
    const { events } = await this.native.state();
    return [...names.flatMap((name, index) => Array<string>(counts[index] ?? 0).fill(name)), ...events];
  }

  async end(): Promise<void> {
    await Promise.all([this.native.close(), this.#browser.close()]);
  }
}
