/** Messages to everybody, as data packets. */

import { type Room, RoomEvent } from 'livekit-client';
import { byId, make } from './dom.ts';

export class Chat {
  readonly #list = byId('messages');
  readonly #room: Room;

  constructor(room: Room) {
    this.#room = room;
    room.on(RoomEvent.ChatMessage, (message, participant) => {
      this.#show(participant?.name || participant?.identity || 'Somebody', message.message);
    });
    byId<HTMLFormElement>('send').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    const input = byId<HTMLInputElement>('message');
    const text = input.value.trim();
    if (text === '') return;
    input.value = '';
    try {
      await this.#room.localParticipant.sendChatMessage(text);
    } catch (error) {
      this.#show('Not sent', String(error));
    }
  }

  #show(name: string, text: string): void {
    this.#list.append(make('li', '', make('b', '', name), text));
    this.#list.lastElementChild?.scrollIntoView({ block: 'end' });
  }
}
