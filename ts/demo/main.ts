/** The demo call: a lobby that asks for a name and a room, then the call itself. */

import { ConnectionState, Room, RoomEvent, Track } from 'livekit-client';
import { Chat } from './chat.ts';
import { Controls } from './controls.ts';
import { byId } from './dom.ts';
import { Grid } from './grid.ts';
import { Numbers } from './numbers.ts';

const room = new Room({ adaptiveStream: true, dynacast: true });
const grid = new Grid(room);
new Chat(room);
new Numbers(room);

/** For scripts that drive the page. */
Object.assign(window, { room });

const query = new URLSearchParams(location.search);
const nameInput = byId<HTMLInputElement>('name');
nameInput.value = query.get('name') ?? localStorage.getItem('sluice-name') ?? '';
const roomInput = byId<HTMLInputElement>('room');
roomInput.value = query.get('room') ?? roomInput.value;

byId<HTMLFormElement>('join').addEventListener('submit', (event) => {
  event.preventDefault();
  void join();
});

async function join(): Promise<void> {
  const submit = byId<HTMLFormElement>('join').querySelector('button');
  const error = byId('join-error');
  error.hidden = true;
  if (submit !== null) submit.disabled = true;
  try {
    localStorage.setItem('sluice-name', nameInput.value);
    await connect(nameInput.value.trim(), roomInput.value.trim());
  } catch (reason) {
    error.textContent = reason instanceof Error ? reason.message : String(reason);
    error.hidden = false;
  } finally {
    if (submit !== null) submit.disabled = false;
  }
}

async function connect(name: string, roomName: string): Promise<void> {
  const answer = await fetch(`token?${new URLSearchParams({ name, room: roomName })}`);
  if (!answer.ok) throw new Error(await answer.text());
  await room.connect(location.origin.replace(/^http/, 'ws'), await answer.text());
  byId('lobby').hidden = true;
  byId('call').hidden = false;
  byId('room-name').textContent = room.name;
  new Controls(room, () => void room.disconnect());
  grid.update();
  showStatus();
  await publish();
}

/** A missing or refused device is no reason not to be in the call. */
async function publish(): Promise<void> {
  const me = room.localParticipant;
  const wanted: [string, () => Promise<unknown>][] = [
    ['with-microphone', () => me.setMicrophoneEnabled(true)],
    ['with-camera', () => me.setCameraEnabled(true)],
  ];
  for (const [id, enable] of wanted) {
    if (!byId<HTMLInputElement>(id).checked) continue;
    try {
      await enable();
    } catch (error) {
      byId('status').textContent = error instanceof Error ? error.message : String(error);
    }
  }
  grid.update();
}

function showStatus(): void {
  const people = room.remoteParticipants.size + 1;
  const state = room.state === ConnectionState.Connected ? `${people} in the call` : `${room.state}…`;
  byId('status').textContent = state;
}

for (const event of [
  RoomEvent.ConnectionStateChanged,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
] as const) {
  room.on(event, showStatus);
}

room.on(RoomEvent.TrackSubscribed, (track) => {
  if (track.kind === Track.Kind.Audio) document.body.append(track.attach());
});
room.on(RoomEvent.TrackUnsubscribed, (track) => {
  if (track.kind === Track.Kind.Audio) for (const element of track.detach()) element.remove();
});
room.on(RoomEvent.Disconnected, () => {
  grid.clear();
  byId('call').hidden = true;
  byId('lobby').hidden = false;
});
window.addEventListener('pagehide', () => void room.disconnect());
