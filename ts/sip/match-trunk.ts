/** Which trunk a call comes in by. */

import { BlockList, isIP } from 'node:net';
import type { SIPInboundTrunkInfo } from '@livekit/protocol';
import { RpcError } from '../lib/rpc-error.ts';
import type { InboundCall } from './call.ts';
import { sameNumber } from './number.ts';

/**
 * The trunk for the number that was called, else the one for any number; undefined for none. Throws `failed_precondition`
 * where several would do: nobody could tell which one takes the call.
 */
export function matchTrunk(trunks: Iterable<SIPInboundTrunkInfo>, call: InboundCall): SIPInboundTrunkInfo | undefined {
  let specific: SIPInboundTrunkInfo | undefined;
  const forAny: SIPInboundTrunkInfo[] = [];
  for (const trunk of trunks) {
    if (!admitsCaller(trunk, call)) continue;
    if (trunk.numbers.length === 0) {
      forAny.push(trunk);
    } else if (trunk.numbers.some((number) => sameNumber(number, call.to.user))) {
      if (specific !== undefined) throw ambiguous('Multiple SIP Trunks', call);
      specific = trunk;
    }
  }
  if (specific !== undefined) return specific;
  if (forAny.length > 1) throw ambiguous('Multiple default SIP Trunks', call);
  return forAny[0];
}

function ambiguous(what: string, { to }: InboundCall): RpcError {
  return new RpcError('failed_precondition', `${what} matched for ${JSON.stringify(to.user)}`);
}

function admitsCaller({ allowedNumbers, allowedAddresses }: SIPInboundTrunkInfo, call: InboundCall): boolean {
  const { from, sourceIp } = call;
  if (allowedNumbers.length > 0 && !allowedNumbers.some((number) => sameNumber(number, from.user))) return false;
  return admitsSource(sourceIp, from.host, allowedAddresses);
}

/** `masks`: addresses, networks and names of hosts. A list of nothing that could be one admits all. */
function admitsSource(sourceIp: string, host: string, masks: readonly string[]): boolean {
  if (isIP(sourceIp) === 0) return true;
  const usable = masks.filter((mask) => !/[()+*;, \t\n\r]|:\/\//.test(mask));
  return usable.length === 0 || usable.some((mask) => mask === host || within(sourceIp, mask));
}

function within(ip: string, mask: string): boolean {
  const [network = '', length] = mask.split('/');
  const family = isIP(network);
  if (family === 0 || family !== isIP(ip)) return false;
  const name = family === 4 ? 'ipv4' : 'ipv6';
  const bits = length === undefined ? (family === 4 ? 32 : 128) : Number(length);
  if (!/^\d+$/.test(length ?? '0') || bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, name);
  return list.check(ip, name);
}
