import { RpcError } from '../lib/rpc-error.ts';

/** The room's node is no more; another one will have the room. */
export class NodeGone extends RpcError {
  constructor() {
    super('unavailable', 'the node of the room is gone');
  }
}
