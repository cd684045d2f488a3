import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { type Config, schema } from './config/schema.ts';
import { assertPortsFree } from './ports.ts';

const LOOPBACK = ['127.0.0.1'];

function configOf(rtc: object, turn: object = {}): Config {
  return schema.parse({ rtc: { tcp_port: 0, ...rtc }, turn });
}

async function takenUdp(ip = '127.0.0.1') {
  const socket = createSocket('udp4').bind(0, ip);
  await once(socket, 'listening');
  return { port: socket.address().port, free: () => new Promise<void>((resolve) => socket.close(resolve)) };
}

async function takenTcp() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, free: () => new Promise((resolve) => server.close(resolve)) };
}

test('a UDP port that another process has is named with its key', async () => {
  const taken = await takenUdp();
  await assert.rejects(
    assertPortsFree(configOf({ udp_port: taken.port }), LOOPBACK),
    new RegExp(`rtc.udp_port: UDP port ${taken.port} of 127.0.0.1 is taken: .*set another port`),
  );
  await assertPortsFree(configOf({ udp_port: taken.port }), ['127.0.0.2']);
  await assertPortsFree(configOf({ udp_port: taken.port, force_tcp: true }), LOOPBACK);
  await taken.free();
  await assertPortsFree(configOf({ udp_port: taken.port }), LOOPBACK);
});

test('of a range of UDP ports each one must be free', async () => {
  const taken = await takenUdp();
  const range = `${taken.port - 1}-${taken.port + 1}`;
  await assert.rejects(assertPortsFree(configOf({ udp_port: range }), LOOPBACK), new RegExp(`port ${taken.port} of`));
  await taken.free();
});

test('a TCP port that another process has is named with its key', async () => {
  const taken = await takenTcp();
  await assert.rejects(
    assertPortsFree(configOf({ tcp_port: taken.port }), LOOPBACK),
    new RegExp(`rtc.tcp_port: TCP port ${taken.port} of 127.0.0.1 is taken`),
  );
  await taken.free();
  await assertPortsFree(configOf({ tcp_port: taken.port }), LOOPBACK);
});

test('the ports of the TURN server are tried where it is on', async () => {
  const [udp, tcp] = [await takenUdp('0.0.0.0'), await takenTcp()];
  const turn = { udp_port: udp.port, tls_port: tcp.port, bind_addresses: ['0.0.0.0'] };
  await assert.rejects(assertPortsFree(configOf({}, { ...turn, enabled: true }), LOOPBACK), (error: Error) => {
    assert.match(error.message, new RegExp(`turn.udp_port: UDP port ${udp.port} of 0.0.0.0 is taken`));
    assert.match(error.message, new RegExp(`turn.tls_port: TCP port ${tcp.port} of 0.0.0.0 is taken`));
    return true;
  });
  await assertPortsFree(configOf({}, turn), LOOPBACK);
  await Promise.all([udp.free(), tcp.free()]);
});

test('one port for two purposes is refused', async () => {
  const turn = { enabled: true, udp_port: 7882, bind_addresses: ['0.0.0.0'] };
  const both = /turn.udp_port: UDP port 7882 is rtc.udp_port already$/;
  await assert.rejects(assertPortsFree(configOf({ udp_port: 7882 }, turn), LOOPBACK), both);
  const tcp = configOf({ tcp_port: 5349 }, { enabled: true, tls_port: 5349, bind_addresses: ['127.0.0.1'] });
  await assert.rejects(assertPortsFree(tcp, LOOPBACK), /turn.tls_port: TCP port 5349 is rtc.tcp_port already$/);
});

test('media on the port of STUN leaves no room for TURN there', async () => {
  const rtc = { udp_port: 7882, use_stun_port_as_ice: true };
  const turn = { enabled: true, udp_port: 3478, bind_addresses: ['0.0.0.0'] };
  const both = /turn.udp_port: UDP port 3478 is rtc.use_stun_port_as_ice already$/;
  await assert.rejects(assertPortsFree(configOf(rtc, turn), LOOPBACK), both);
});

test('an address that is not there is named', async () => {
  await assert.rejects(
    assertPortsFree(configOf({ udp_port: 7882 }), ['192.0.2.77']),
    /192.0.2.77 can't be had: .*address/,
  );
});
