import { RpcError } from '../lib/rpc-error.ts';

/** What a request says can't be: `text` tells the caller why. */
export function invalid(text: string): RpcError {
  return new RpcError('invalid_argument', text);
}
