/** The bar at the bottom: what I send, the panel, and the way out. */

import { type Room, RoomEvent } from 'livekit-client';
import { byId, make } from './dom.ts';

const ICONS = {
  microphone: 'M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM5 11a7 7 0 0 0 14 0M12 18v3',
  camera: 'M3 7h11a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H3ZM15 11l6-3.5v9L15 13',
  screen: 'M3 5h18v11H3ZM8 20h8M12 16v4',
  chat: 'M4 5h16v11H9l-5 4Z',
  numbers: 'M5 20V10M12 20V4M19 20v-7',
  leave: 'M3 14c5-5 13-5 18 0l-3 3-3-2v-2c-2-.7-4-.7-6 0v2l-3 2Z',
};

function button(name: keyof typeof ICONS, text: string, onClick: () => void): HTMLButtonElement {
  const element = make('button', 'control');
  element.type = 'button';
  element.id = `control-${name}`;
  // A constant of ours: no stranger's text is in it.
  element.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
  element.append(text);
  element.addEventListener('click', onClick);
  return element;
}

export class Controls {
  readonly #room: Room;
  readonly #microphone = button('microphone', 'Mic', () => void this.#toggle('Microphone'));
  readonly #camera = button('camera', 'Camera', () => void this.#toggle('Camera'));
  readonly #screen = button('screen', 'Share', () => void this.#toggle('ScreenShare'));
  readonly #chat = button('chat', 'Chat', () => this.#showPanel('chat'));
  readonly #numbers = button('numbers', 'Numbers', () => this.#showPanel('numbers'));

  constructor(room: Room, onLeave: () => void) {
    this.#room = room;
    const leave = button('leave', 'Leave', onLeave);
    leave.classList.add('leave');
    for (const element of [this.#screen, this.#chat, this.#numbers]) element.classList.add('plain');
    byId('controls').replaceChildren(this.#microphone, this.#camera, this.#screen, this.#chat, this.#numbers, leave);
    byId('show-chat').onclick = () => this.#openPanel('chat');
    byId('show-numbers').onclick = () => this.#openPanel('numbers');
    byId('close-panel').onclick = () => this.#openPanel(undefined);
    for (const event of [
      RoomEvent.LocalTrackPublished,
      RoomEvent.LocalTrackUnpublished,
      RoomEvent.TrackMuted,
      RoomEvent.TrackUnmuted,
    ] as const) {
      room.on(event, () => this.update());
    }
    this.update();
  }

  async #toggle(what: 'Microphone' | 'Camera' | 'ScreenShare'): Promise<void> {
    const me = this.#room.localParticipant;
    try {
      if (what === 'Microphone') await me.setMicrophoneEnabled(!me.isMicrophoneEnabled);
      else if (what === 'Camera') await me.setCameraEnabled(!me.isCameraEnabled);
      else await me.setScreenShareEnabled(!me.isScreenShareEnabled);
    } catch (error) {
      byId('status').textContent = error instanceof Error ? error.message : String(error);
    }
    this.update();
  }

  update(): void {
    const me = this.#room.localParticipant;
    this.#microphone.ariaPressed = String(me.isMicrophoneEnabled);
    this.#camera.ariaPressed = String(me.isCameraEnabled);
    this.#screen.ariaPressed = String(me.isScreenShareEnabled);
  }

  #showPanel(which: 'chat' | 'numbers'): void {
    const shown = !byId('panel').hidden && !byId(which).hidden;
    this.#openPanel(shown ? undefined : which);
  }

  #openPanel(which: 'chat' | 'numbers' | undefined): void {
    byId('panel').hidden = which === undefined;
    for (const name of ['chat', 'numbers'] as const) {
      byId(name).hidden = which !== name;
      byId(`show-${name}`).classList.toggle('active', which === name);
    }
    this.#chat.ariaPressed = String(which === 'chat');
    this.#numbers.ariaPressed = String(which === 'numbers');
  }
}
