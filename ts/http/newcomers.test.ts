import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Newcomers } from './newcomers.ts';

describe('newcomers', () => {
  it('of one address are refused above the limit, until some have spoken or left', () => {
    const newcomers = new Newcomers(2, () => 0);
    const first = newcomers.arrive('192.0.2.1');
    newcomers.arrive('192.0.2.1');
    assert.equal(newcomers.arrive('192.0.2.1'), undefined);
    assert.ok(newcomers.arrive('192.0.2.2'));
    assert.ok(first);
    newcomers.settle(first);
    newcomers.settle(first);
    assert.ok(newcomers.arrive('192.0.2.1'));
    assert.equal(newcomers.arrive('192.0.2.1'), undefined);
    newcomers.settleOldest('192.0.2.1');
    assert.ok(newcomers.arrive('192.0.2.1'));
    assert.equal(newcomers.refused, 2);
  });

  it('of one IPv6 network are one host', () => {
    const newcomers = new Newcomers(2, () => 0);
    newcomers.arrive('2001:db8:0:1::1');
    newcomers.arrive('2001:db8:0:1:ffff::1');
    assert.equal(newcomers.arrive('2001:db8:0:1::2'), undefined);
    assert.ok(newcomers.arrive('2001:db8:0:2::2'));
  });

  it('that nobody heard of again are forgotten', () => {
    let now = 0;
    const newcomers = new Newcomers(1, () => now);
    newcomers.arrive('192.0.2.1');
    now = 59_999;
    assert.equal(newcomers.arrive('192.0.2.1'), undefined);
    now = 60_000;
    assert.ok(newcomers.arrive('192.0.2.1'));
  });

  it('are never refused without a limit', () => {
    const newcomers = new Newcomers(0, () => 0);
    for (let count = 0; count < 10; count++) assert.ok(newcomers.arrive('192.0.2.1'));
  });
});
