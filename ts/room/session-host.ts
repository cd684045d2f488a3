import { CreateRoomRequest } from '@livekit/protocol';
import { RpcError } from '../lib/rpc-error.ts';
import type { RoomContext } from './context.ts';
import type { JoinParams, SessionHost, SignalSession, SignalSink } from './contracts.ts';
import { joinRoom } from './join.ts';
import { exceededLimit } from './metadata.ts';
import { resumeSession } from './resume.ts';
import type { Rooms } from './rooms.ts';

/** Where connections become participants. */
export class RoomSessionHost implements SessionHost {
  readonly #context: RoomContext;
  readonly #rooms: Rooms;

  constructor(context: RoomContext, rooms: Rooms) {
    this.#context = context;
    this.#rooms = rooms;
  }

  async startSession(params: JoinParams, sink: SignalSink, abandoned: AbortSignal): Promise<SignalSession> {
    if (params.reconnect) {
      const room = this.#rooms.get(params.room);
      const session = await resumeSession(this.#context, room, params, sink, abandoned);
      return session ?? ENDED_SESSION;
    }
    this.#checkLimits(params);
    const request = new CreateRoomRequest({ ...params.createRoom, name: params.room });
    const mayCreate = this.#context.config.autoCreate || params.claims.video.roomCreate;
    const room = await this.#rooms.acquire(request, mayCreate);
    try {
      return await joinRoom(this.#context, room, params, sink, abandoned);
    } finally {
      room.release();
    }
  }

  #checkLimits({ claims }: JoinParams): void {
    const { metadata, attributes } = claims;
    const exceeded = exceededLimit(this.#context.config.limits, { name: '', metadata, attributes });
    if (exceeded === 'metadata') throw new RpcError('invalid_argument', 'metadata size exceeds limits');
    if (exceeded === 'attributes') throw new RpcError('invalid_argument', 'attribute size exceeds limits');
  }
}

/** The session of a socket that was told to go: whatever it still asks for is for nobody. */
const ENDED_SESSION: SignalSession = {
  negotiation: { offer: ignore, answer: ignore, trickle: ignore },
  publishing: {
    addTrack: ignore,
    mute: ignore,
    updateAudioTrack: ignore,
    updateVideoTrack: ignore,
    subscriptionPermission: ignore,
  },
  subscribing: { subscription: ignore, trackSetting: ignore },
  data: {
    publishDataTrack: ignore,
    unpublishDataTrack: ignore,
    updateDataSubscription: ignore,
    storeDataBlob: ignore,
    getDataBlob: ignore,
  },
  participant: { leave: ignore, syncState: ignore, simulate: ignore, updateMetadata: ignore, ping: ignore },
  closed: ignore,
};

function ignore(): void {}
