import { type ParticipantInfo, ParticipantUpdate, SignalResponse } from '@livekit/protocol';

/** One message about participants for many clients. */
export interface SharedUpdate {
  readonly message: SignalResponse;
  readonly infos: readonly ParticipantInfo[];
}

/** As few messages as `targetSize` allows: bytes at about which one ends; 0 for no limit. */
export function sharedUpdates(infos: readonly ParticipantInfo[], targetSize: number): SharedUpdate[] {
  const chunks: ParticipantInfo[][] = [];
  let chunk: ParticipantInfo[] = [];
  let size = 0;
  for (const info of infos) {
    const bytes = infos.length === 1 ? 0 : info.toBinary().length;
    if (chunk.length > 0 && targetSize > 0 && size + bytes > targetSize) {
      chunks.push(chunk);
      chunk = [];
      size = 0;
    }
    chunk.push(info);
    size += bytes;
  }
  if (chunk.length > 0) chunks.push(chunk);
  return chunks.map((participants) => ({
    message: new SignalResponse({ message: { case: 'update', value: new ParticipantUpdate({ participants }) } }),
    infos: participants,
  }));
}
