/** Two browsers in a call, in both peer connection modes: everything a user sees and hears. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type BrowserClient, TestBrowser } from './support/browser.ts';
import { freshRoom, joinToken, startServer, type TestServer } from './support/server.ts';

let server: TestServer;
let browser: TestBrowser;

before(async () => {
  [server, browser] = await Promise.all([startServer(), TestBrowser.launch()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Two people in a fresh room. */
async function pair(singlePeerConnection: boolean): Promise<[BrowserClient, BrowserClient, string]> {
  const room = freshRoom();
  const join = async (identity: string) => {
    const client = await browser.client();
    await client.run((c, options) => c.join(options), {
      url: server.url,
      token: await joinToken(room, identity),
      singlePeerConnection,
    });
    return client;
  };
  return [await join('alice'), await join('bob'), room];
}

for (const single of [true, false]) {
  describe(single ? 'single peer connection' : 'dual peer connection', () => {
    let alice: BrowserClient;
    let bob: BrowserClient;
    let room: string;

    before(async () => {
      [alice, bob, room] = await pair(single);
    });

    after(async () => {
      await alice?.run((c) => c.leave());
      await bob?.run((c) => c.leave());
      await alice?.close();
      await bob?.close();
    });

    test('pictures and sound pass both ways with their content', async () => {
      await alice.run((c) => c.showPicture({ color: 'red' }));
      await alice.run((c) => c.playTone(440));
      await bob.run((c) => c.showPicture({ color: 'blue' }));
      await bob.run((c) => c.playTone(880));
      assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');
      assert.equal((await alice.run((c) => c.see('bob'))).color, 'blue');
      await bob.run((c) => c.hear('alice', 440));
      await alice.run((c) => c.hear('bob', 880));
    });

    test('a late joiner sees and hears those who were there', async () => {
      const carol = await browser.client();
      const token = await joinToken(room, 'carol');
      await carol.run((c, options) => c.join(options), { url: server.url, token, singlePeerConnection: single });
      assert.equal((await carol.run((c) => c.see('alice'))).color, 'red');
      assert.equal((await carol.run((c) => c.see('bob'))).color, 'blue');
      await carol.run((c) => c.hear('alice', 440));
      await alice.run((c) => c.waitFor('joined', 'carol'));
      await carol.run((c) => c.leave());
      await alice.run((c) => c.waitFor('left', 'carol'));
      await carol.close();
    });

    test('the layer goes down and up again as asked', async () => {
      const top = await bob.run((c) => c.seeHeight('alice', 720));
      assert.ok(top.height >= 700);
      await bob.run((c) => c.publication('alice', 'camera').setVideoQuality(c.quality.LOW));
      const low = await bob.run((c) => c.seeHeight('alice', 180));
      assert.equal(low.color, 'red');
      await bob.run((c) => c.publication('alice', 'camera').setVideoQuality(c.quality.HIGH));
      const high = await bob.run((c) => c.seeHeight('alice', 720));
      assert.equal(high.color, 'red');
    });

    test('mute stops the picture and unmute brings it back', async () => {
      const sid = await alice.run((c) => [...c.room.localParticipant.videoTrackPublications.keys()][0] ?? '');
      await alice.run((c, id) => c.mute(id, true), sid);
      await bob.run((c) => c.waitFor('muted', 'alice camera'));
      assert.ok((await bob.run((c) => c.framesIn('alice', 1000))) <= 5);
      await alice.run((c, id) => c.mute(id, false), sid);
      await bob.run((c) => c.waitFor('unmuted', 'alice camera'));
      assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');
    });

    test('unpublish ends the picture and a new publication brings another', async () => {
      const sid = await bob.run((c) => [...c.room.localParticipant.videoTrackPublications.keys()][0] ?? '');
      await bob.run((c, id) => c.unpublish(id), sid);
      await alice.run((c) => c.waitFor('unsubscribed', 'bob camera'));
      await bob.run((c) => c.showPicture({ color: 'green' }));
      assert.equal((await alice.run((c) => c.see('bob'))).color, 'green');
    });

    test('a shared screen comes beside the camera', async () => {
      await alice.run((c) =>
        c.showPicture({ color: 'green', source: 'screen_share' as never, width: 1920, height: 1080 }),
      );
      assert.equal((await bob.run((c) => c.see('alice', 'screen_share'))).color, 'green');
      assert.equal((await bob.run((c) => c.see('alice', 'camera'))).color, 'red');
    });

    test('data passes reliable and lossy, to everybody and to one', async () => {
      const send = (reliable: boolean, text: string, destinations?: string[]) =>
        alice.run(
          (c, a) =>
            c.room.localParticipant.publishData(new TextEncoder().encode(a.text), {
              reliable: a.reliable,
              topic: 'greeting',
              destinationIdentities: a.destinations ?? [],
            }),
          { reliable, text, destinations },
        );
      await send(true, 'reliable');
      await send(false, 'lossy');
      await send(true, 'for bob', ['bob']);
      await send(true, 'for nobody here', ['carol']);
      await send(true, 'last');
      for (const [text, kind] of [
        ['reliable', 0],
        ['lossy', 1],
        ['for bob', 0],
        ['last', 0],
      ] as const) {
        await bob.run((c, detail) => c.waitFor('data', detail), { from: 'alice', text, kind, topic: 'greeting' });
      }
      assert.equal(await bob.run((c) => c.count('data')), 0);
    });

    test('chat, text streams, byte streams and RPC pass', async () => {
      await alice.run((c) => c.room.localParticipant.sendChatMessage('hello'));
      await bob.run((c) => c.waitFor('chat', 'alice hello'));
      const length = await bob.run(async (c) => {
        c.room.registerTextStreamHandler('story', (reader) => {
          void reader.readAll().then((text) => Object.assign(window, { story: text.length }));
        });
        c.room.registerByteStreamHandler('file', (reader) => {
          const add = (sum: number, part: Uint8Array) => sum + part.length;
          void reader.readAll().then((parts) => Object.assign(window, { file: parts.reduce(add, 0) }));
        });
        c.room.registerRpcMethod('double', async ({ payload }) => String(Number(payload) * 2));
        return 50_000;
      });
      await alice.run((c, size) => c.room.localParticipant.sendText('x'.repeat(size), { topic: 'story' }), length);
      await bob.run(
        (c, size) => c.until(() => (window as never as { story: number }).story === size || undefined, 'the story'),
        length,
      );
      await alice.run((c) =>
        c.room.localParticipant.sendFile(new File([new Uint8Array(200_000)], 'a.bin'), { topic: 'file' }),
      );
      await bob.run((c) =>
        c.until(() => (window as never as { file: number }).file === 200_000 || undefined, 'the file'),
      );
      const doubled = await alice.run((c) =>
        c.room.localParticipant.performRpc({ destinationIdentity: 'bob', method: 'double', payload: '21' }),
      );
      assert.equal(doubled, '42');
    });

    test('who speaks is told, and the connection quality', async () => {
      await bob.run((c) =>
        c.until(() => c.room.activeSpeakers.some((one) => one.identity === 'alice') || undefined, 'alice speaking'),
      );
      await bob.run((c) => c.waitFor('quality', 'alice excellent', 20_000));
    });

    test('metadata, name and attributes reach the others', async () => {
      await alice.run(async (c) => {
        await c.room.localParticipant.setMetadata('about me');
        await c.room.localParticipant.setName('Alice A.');
        await c.room.localParticipant.setAttributes({ hand: 'up' });
      });
      await bob.run((c) => c.waitFor('metadata', 'alice about me'));
      await bob.run((c) => c.waitFor('name', 'alice Alice A.'));
      await bob.run((c) => c.waitFor('attributes', { identity: 'alice', changed: { hand: 'up' } }));
    });

    test('a killed signal connection is resumed while media goes on', async () => {
      const before = await bob.run((c) => c.room.localParticipant.sid);
      await bob.run((c) => c.killSignal());
      await bob.run((c) => c.waitFor('reconnected'));
      assert.equal(await bob.run((c) => c.room.localParticipant.sid), before);
      assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');
      assert.equal((await alice.run((c) => c.see('bob'))).color, 'green');
      await alice.run((c) => c.room.localParticipant.sendChatMessage('still there?'));
      await bob.run((c) => c.waitFor('chat', 'alice still there?'));
      assert.equal(await alice.run((c) => c.count('left')), 0);
    });

    test('a full reconnect brings everything back', async () => {
      await bob.run((c) => c.room.simulateScenario('full-reconnect'));
      await bob.run((c) => c.waitFor('reconnected', undefined, 30_000));
      assert.equal((await bob.run((c) => c.see('alice'))).color, 'red');
      assert.equal((await alice.run((c) => c.see('bob'))).color, 'green');
      await bob.run((c) => c.hear('alice', 440));
    });
  });
}
