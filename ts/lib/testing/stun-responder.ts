/** A STUN server on a real socket that tells every client the address it is made to tell. */

import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';

export interface StunResponder {
  readonly port: number;
  /** Requests that came in. */
  readonly requests: RemoteInfo[];
  close(): Promise<void>;
}

/** `tell` returns the address for a client; undefined leaves the request unanswered. `spoil` alters answers. */
export async function stunResponder(
  ip: string,
  tell: (client: RemoteInfo, request: number) => { ip: string; port: number } | undefined,
  spoil: (answer: Buffer) => Buffer = (answer) => answer,
): Promise<StunResponder> {
  const requests: RemoteInfo[] = [];
  const socket = createSocket({ type: isIPv4(ip) ? 'udp4' : 'udp6' });
  socket.on('message', (bytes, client) => {
    requests.push(client);
    const told = tell(client, requests.length);
    if (told !== undefined)
      socket.send(spoil(bindingResponse(bytes.subarray(8, 20), told)), client.port, client.address);
  });
  socket.bind(0, ip);
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    requests,
    close: () => new Promise((resolve) => socket.close(resolve)),
  };
}

/** A success response with an XOR-MAPPED-ADDRESS (RFC 8489 section 14.2). */
export function bindingResponse(transactionId: Uint8Array, { ip, port }: { ip: string; port: number }): Buffer {
  const key = Buffer.concat([Buffer.from('2112a442', 'hex'), transactionId]);
  const plain = isIPv4(ip) ? Buffer.from(ip.split('.').map(Number)) : v6Bytes(ip);
  const value = Buffer.alloc(4 + plain.length);
  value[1] = isIPv4(ip) ? 1 : 2;
  value.writeUInt16BE(port ^ key.readUInt16BE(0), 2);
  plain.forEach((byte, index) => {
    value[4 + index] = byte ^ (key[index] ?? 0);
  });
  const head = Buffer.alloc(4);
  head.writeUInt16BE(0x0101, 0);
  head.writeUInt16BE(4 + value.length, 2);
  const attribute = Buffer.alloc(4);
  attribute.writeUInt16BE(0x0020, 0);
  attribute.writeUInt16BE(value.length, 2);
  return Buffer.concat([head, key, attribute, value]);
}

function v6Bytes(ip: string): Buffer {
  const [left = '', right] = ip.split('::');
  const groups = (text: string) => text.split(':').filter((group) => group !== '');
  const [before, after] = [groups(left), groups(right ?? '')];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const all = right === undefined ? before : [...before, ...zeros, ...after];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
