import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { SignalRequest, SignalResponse } from '@livekit/protocol';
import { SharedFrames } from './codec.ts';
import { SignalConnection } from './socket.ts';
import type { SignalSession } from './types.ts';

function open() {
  const heard = { pings: 0, terminated: 0, closed: [] as boolean[], messages: [] as string[] };
  const socket = {
    send: () => {},
    ping: () => (heard.pings += 1),
    bufferedBytes: () => 0,
    close: () => {},
    terminate: () => (heard.terminated += 1),
  };
  const session = {
    closed: (byClient: boolean) => heard.closed.push(byClient),
    participant: { ping: () => {} },
  } as unknown as SignalSession;
  const observer = {
    received: (result: string) => heard.messages.push(`received ${result}`),
    sent: (result: string) => heard.messages.push(`sent ${result}`),
  };
  const connection = new SignalConnection(new SharedFrames(), observer, { debug: () => {}, warn: () => {} });
  return { heard, connection, listener: connection.open(socket, session) };
}

/** Moves the clock while somebody keeps doing something. */
function pass(ms: number, each: () => void = () => {}): void {
  for (let at = 0; at < ms; at += 1000) {
    mock.timers.tick(1000);
    each();
  }
}

describe('a signal connection', { concurrency: false }, () => {
  const clocked = (test: () => void) => () => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
    try {
      test();
    } finally {
      mock.timers.reset();
    }
  };

  it(
    'that is half open is cut within the ping timeout (acceptance 31)',
    clocked(() => {
      const { heard, listener } = open();
      pass(60_000, () => listener.pong());
      assert.equal(heard.terminated, 0);
      assert.equal(heard.pings, 12);
      pass(14_000);
      assert.equal(heard.terminated, 0);
      pass(1000);
      assert.equal(heard.terminated, 1);
      listener.closed(1006);
      assert.deepEqual(heard.closed, [true]);
      pass(60_000);
      assert.deepEqual([heard.terminated, heard.pings], [1, 15]);
    }),
  );

  it(
    'that only sends is alive',
    clocked(() => {
      const { heard, listener } = open();
      const ping = Buffer.from(new SignalRequest({ message: { case: 'ping', value: 1n } }).toBinary());
      pass(60_000, () => {
        try {
          listener.message(ping);
        } catch {
          // The session of this test takes no requests.
        }
      });
      assert.equal(heard.terminated, 0);
    }),
  );

  it('tells what became of each message', () => {
    const { heard, connection, listener } = open();
    listener.message(new SignalRequest({ message: { case: 'ping', value: 1n } }).toBinary());
    listener.message(Buffer.from([0xff, 0xff]));
    listener.closed(1000);
    connection.send(new SignalResponse());
    assert.deepEqual(heard.messages, ['sent success', 'received success', 'received failure', 'sent failure']);
  });
});
