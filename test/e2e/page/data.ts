/** What pages send and read over data channels beside the SDK's two. */

import type { Room } from 'livekit-client';

interface Transport {
  createDataChannel(label: string, options: RTCDataChannelInit): RTCDataChannel;
}

/** Sends a text over a channel with a label of nobody's. */
export async function sendUnlabeled(room: Room, text: string): Promise<void> {
  // Makes the SDK connect what it publishes over.
  await room.localParticipant.publishData(new TextEncoder().encode('first'), { reliable: true });
  const { engine } = room as unknown as { engine: { pcManager: { publisher: Transport } } };
  const channel = engine.pcManager.publisher.createDataChannel('my own', { ordered: true });
  await new Promise<void>((resolve) => {
    if (channel.readyState === 'open') resolve();
    else channel.onopen = () => resolve();
  });
  channel.send(new TextEncoder().encode(text));
}

/** Publishes a data track with a frame every 20 ms, each with its number; it ends with the page or the room. */
export async function publishDataTrack(room: Room, name: string): Promise<void> {
  const track = await room.localParticipant.publishDataTrack({ name });
  let number = 0;
  const push = async () => track.tryPush({ payload: new TextEncoder().encode(`${number++}`) });
  const timer = setInterval(() => {
    // It fails when the room was left.
    push().catch(() => clearInterval(timer));
  }, 20);
}

/** Resolves once ten frames of somebody's track came. */
export async function readDataTrack(room: Room, identity: string, name: string): Promise<void> {
  const track = await room.remoteParticipants.get(identity)?.dataTracks.getDeferred(name);
  const reader = track?.subscribe().getReader();
  for (let frames = 0; frames < 10; frames++) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done || !(Number(new TextDecoder().decode(value?.payload)) >= 0)) throw new Error(`no frame of ${name}`);
  }
  await reader?.cancel();
}
