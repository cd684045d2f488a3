/** Data tracks (livekit-facts 3.13): published, announced, subscribed, and their frames in browsers. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  PublishDataTrackRequest,
  RequestResponse_Reason as Reason,
  SignalRequest,
  UnpublishDataTrackRequest,
} from '@livekit/protocol';
import { TestBrowser } from './support/browser.ts';
import { freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';
import { connect, type SignalClient, v0 } from './support/signal.ts';

let server: TestServer;

before(async () => {
  server = await startServer();
});

after(async () => {
  await server?.stop();
});

function publish(client: SignalClient, pubHandle: number, name: string): void {
  const value = new PublishDataTrackRequest({ pubHandle, name });
  client.send(new SignalRequest({ message: { case: 'publishDataTrackRequest', value } }));
}

test('data tracks get ids, and requests that can not be met are refused by reason', async () => {
  const client = await connect(server.url + v0(await joinToken(freshRoom(), 'publisher')));
  await client.next('join');
  publish(client, 7, 'numbers');
  const { message } = await client.next('publishDataTrackResponse');
  assert.ok(message.case === 'publishDataTrackResponse');
  assert.match(message.value.info?.sid ?? '', /^DTR_/);
  assert.deepEqual([message.value.info?.pubHandle, message.value.info?.name], [7, 'numbers']);
  const refusals: [number, string, Reason][] = [
    [0, 'other', Reason.INVALID_HANDLE],
    [65_536, 'other', Reason.INVALID_HANDLE],
    [8, '', Reason.INVALID_NAME],
    [7, 'other', Reason.DUPLICATE_HANDLE],
    [8, 'numbers', Reason.DUPLICATE_NAME],
  ];
  for (const [handle, name, reason] of refusals) {
    publish(client, handle, name);
    const refused = (await client.next('requestResponse')).message;
    assert.ok(refused.case === 'requestResponse');
    assert.equal(refused.value.reason, reason, `${handle} ${name}`);
  }
  const value = new UnpublishDataTrackRequest({ pubHandle: 7 });
  client.send(new SignalRequest({ message: { case: 'unpublishDataTrackRequest', value } }));
  await client.next('unpublishDataTrackResponse');
  client.close();
});

test('frames of a data track reach those who subscribe, late ones too, in both modes', async (t) => {
  const browser = await TestBrowser.launch();
  try {
    for (const singlePeerConnection of [false, true]) {
      await t.test(`singlePeerConnection: ${singlePeerConnection}`, async () => {
        const room = freshRoom();
        const [first, second, late] = [await browser.client(), await browser.client(), await browser.client()];
        const options = async (identity: string) => {
          return { url: server.url, token: await joinToken(room, identity), singlePeerConnection };
        };
        await first.run((c, given) => c.join(given), await options('first'));
        await second.run((c, given) => c.join(given), await options('second'));
        await second.run((c) => c.publishDataTrack('numbers'));
        await second.run((c) => c.publishDataTrack('letters'));
        await first.run((c) => c.readDataTrack('second', 'numbers'));
        await first.run((c) => c.readDataTrack('second', 'letters'));
        await late.run((c, given) => c.join(given), await options('late'));
        await late.run((c) => c.readDataTrack('second', 'numbers'));
        await Promise.all([first.close(), second.close(), late.close()]);
      });
    }
  } finally {
    await browser.close();
  }
});
