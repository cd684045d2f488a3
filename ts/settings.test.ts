import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './config/load.ts';
import { settle } from './config/settle.ts';
import { engineSettings } from './settings.ts';

const MEDIA = [{ bind: '10.0.0.5', advertise: '198.51.100.7' }];
const ADDRESSES = { candidates: [], media: MEDIA, nodeIp: { v4: '198.51.100.7', v6: '' }, translated: new Map() };

function portsOf(rtc: string) {
  const body = `keys: { key: 01234567890123456789012345678901 }\nrtc: ${rtc}`;
  const { config } = settle(loadConfig({ body, overrides: [], strict: true }), false);
  const { udp, tcp, addresses } = engineSettings(config, ADDRESSES);
  assert.deepEqual(addresses, MEDIA);
  return { udp, tcp };
}

test('the workers are told the ports of media', () => {
  assert.deepEqual(portsOf('{}'), { udp: { portRangeStart: 50_000, portRangeEnd: 60_000 }, tcp: { port: 7881 } });
  assert.deepEqual(portsOf('{ udp_port: 7882-7884, tcp_port: 0 }'), {
    udp: { muxPorts: [7882, 7883, 7884] },
    tcp: undefined,
  });
  assert.deepEqual(portsOf('{ force_tcp: true }'), { udp: undefined, tcp: { port: 7881 } });
});

test('the port of STUN serves media beside one that all share, and only then', () => {
  assert.deepEqual(portsOf('{ udp_port: 7882, use_stun_port_as_ice: true }').udp, {
    muxPorts: [7882],
    commonPorts: [3478],
  });
  const range = { portRangeStart: 50_000, portRangeEnd: 60_000 };
  assert.deepEqual(portsOf('{ use_stun_port_as_ice: true }').udp, range);
});
