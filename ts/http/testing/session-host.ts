import type { SignalRequest } from '@livekit/protocol';
import { SignalResponse } from '@livekit/protocol';
import type { JoinParams, SessionHost, SignalSession, SignalSink } from '../../signal/types.ts';

/** A host that remembers who came and what was asked, and starts sessions as a test tells it to. */
export class ScriptedHost implements SessionHost {
  readonly joins: JoinParams[] = [];
  readonly sinks: SignalSink[] = [];
  readonly requests: string[] = [];
  readonly closed: boolean[] = [];
  onStart: (sink: SignalSink, abandoned: AbortSignal) => Promise<void> | void = (sink) =>
    sink.send(refreshToken('first'));
  onClosed: (sink: SignalSink) => void = () => {};

  async startSession(params: JoinParams, sink: SignalSink, abandoned: AbortSignal): Promise<SignalSession> {
    this.joins.push(params);
    this.sinks.push(sink);
    await this.onStart(sink, abandoned);
    return this.#session(sink);
  }

  #session(sink: SignalSink): SignalSession {
    const heard = (name: NonNullable<SignalRequest['message']['case']>) => () => {
      this.requests.push(name);
    };
    return {
      negotiation: { offer: heard('offer'), answer: heard('answer'), trickle: heard('trickle') },
      publishing: {
        addTrack: heard('addTrack'),
        mute: heard('mute'),
        updateAudioTrack: heard('updateAudioTrack'),
        updateVideoTrack: heard('updateVideoTrack'),
        subscriptionPermission: heard('subscriptionPermission'),
      },
      subscribing: { subscription: heard('subscription'), trackSetting: heard('trackSetting') },
      data: {
        publishDataTrack: heard('publishDataTrackRequest'),
        unpublishDataTrack: heard('unpublishDataTrackRequest'),
        updateDataSubscription: heard('updateDataSubscription'),
        storeDataBlob: heard('storeDataBlobRequest'),
        getDataBlob: heard('getDataBlobRequest'),
      },
      participant: {
        leave: heard('leave'),
        syncState: heard('syncState'),
        simulate: heard('simulate'),
        updateMetadata: heard('updateMetadata'),
        ping: heard('ping'),
      },
      closed: (byClient) => {
        this.closed.push(byClient);
        this.onClosed(sink);
      },
    };
  }
}

/** The smallest message with content. */
export function refreshToken(value: string): SignalResponse {
  return new SignalResponse({ message: { case: 'refreshToken', value } });
}
