/** Signals of which only the latest counts, so that a relay without Redis holds a few of them and not an hour's worth. */

import {
  ConnectionQualityUpdate,
  type SignalRequest,
  SignalResponse,
  SpeakersChanged,
  StreamStateUpdate,
} from '@livekit/protocol';

/** To a client. The result is a new message: others may share the two. */
export function mergeResponses(earlier: SignalResponse, later: SignalResponse): SignalResponse | undefined {
  const [before, after] = [earlier.message, later.message];
  if (before.case === 'speakersChanged' && after.case === 'speakersChanged') {
    const speakers = latest([...before.value.speakers, ...after.value.speakers], ({ sid }) => sid);
    return new SignalResponse({ message: { case: 'speakersChanged', value: new SpeakersChanged({ speakers }) } });
  }
  if (before.case === 'connectionQuality' && after.case === 'connectionQuality') {
    const updates = latest([...before.value.updates, ...after.value.updates], ({ participantSid }) => participantSid);
    return new SignalResponse({
      message: { case: 'connectionQuality', value: new ConnectionQualityUpdate({ updates }) },
    });
  }
  if (before.case === 'streamStateUpdate' && after.case === 'streamStateUpdate') {
    const streamStates = latest(
      [...before.value.streamStates, ...after.value.streamStates],
      ({ participantSid, trackSid }) => `${participantSid}/${trackSid}`,
    );
    return new SignalResponse({
      message: { case: 'streamStateUpdate', value: new StreamStateUpdate({ streamStates }) },
    });
  }
  const replaced = REPLACED.has(after.case ?? '') && before.case === after.case;
  return replaced ? later : undefined;
}

/** From a client. */
export function mergeRequests(earlier: SignalRequest, later: SignalRequest): SignalRequest | undefined {
  const { case: kind } = later.message;
  return (kind === 'ping' || kind === 'pingReq') && earlier.message.case === kind ? later : undefined;
}

/** The last of each key, where the first of it was. */
function latest<Entry>(entries: readonly Entry[], key: (entry: Entry) => string): Entry[] {
  return [...new Map(entries.map((entry) => [key(entry), entry])).values()];
}

/** The whole of it each time. */
const REPLACED: ReadonlySet<string> = new Set(['roomUpdate', 'refreshToken', 'pong', 'pongResp']);
