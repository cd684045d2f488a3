import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTicket } from './ticket.ts';

/** `{"alg":"HS256","typ":"JWT"}` and `{"sub":"viewers-3","video":{"room":"livestream-0"}}`, signed with `secret`. */
const TOKEN =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ2aWV3ZXJzLTMiLCJ2aWRlbyI6eyJyb29tIjoibGl2ZXN0cmVhbS0wIn19.bIUFsFUnX_f7mSJw1D4hNcEFTo2uEr_AIM-bEdNtiKg';

test('a token names participant and room, the address whether everything is wanted', () => {
  const ticket = { identity: 'viewers-3', room: 'livestream-0' };
  assert.deepEqual(readTicket(`/rtc?access_token=${TOKEN}&auto_subscribe=1`, 'secret'), {
    ...ticket,
    autoSubscribe: true,
  });
  assert.deepEqual(readTicket(`/rtc?access_token=${TOKEN}&auto_subscribe=0`, 'secret'), {
    ...ticket,
    autoSubscribe: false,
  });
});

test('nobody joins without a token of ours, or at another path', () => {
  assert.equal(readTicket(`/rtc?access_token=${TOKEN}`, 'another secret'), undefined);
  assert.equal(readTicket('/rtc', 'secret'), undefined);
  assert.equal(readTicket(`/rtc/v1?access_token=${TOKEN}`, 'secret'), undefined);
});
