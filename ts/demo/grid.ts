/** Everybody's pictures, in as square a grid as the window allows. */

import { type Participant, type Room, RoomEvent, Track } from 'livekit-client';
import { byId } from './dom.ts';
import { Tile } from './tile.ts';

export class Grid {
  readonly #element = byId('grid');
  readonly #tiles = new Map<string, Tile>();
  readonly #room: Room;

  constructor(room: Room) {
    this.#room = room;
    const update = () => this.update();
    for (const event of [
      RoomEvent.ParticipantConnected,
      RoomEvent.ParticipantDisconnected,
      RoomEvent.TrackSubscribed,
      RoomEvent.TrackUnsubscribed,
      RoomEvent.TrackMuted,
      RoomEvent.TrackUnmuted,
      RoomEvent.TrackPublished,
      RoomEvent.TrackUnpublished,
      RoomEvent.LocalTrackPublished,
      RoomEvent.LocalTrackUnpublished,
    ] as const) {
      room.on(event, update);
    }
    room.on(RoomEvent.ActiveSpeakersChanged, (speakers) => {
      for (const tile of this.#tiles.values()) tile.setSpeaking(speakers.includes(tile.participant));
    });
    room.on(RoomEvent.ConnectionQualityChanged, (quality, participant) => {
      for (const tile of this.#tiles.values()) if (tile.participant === participant) tile.setQuality(quality);
    });
    new ResizeObserver(() => this.#layout()).observe(this.#element);
    setInterval(() => {
      for (const tile of this.#tiles.values()) tile.refreshResolution();
    }, 1000);
  }

  /** Makes the tiles equal to who is there and what they show. */
  update(): void {
    const wanted = new Map<string, [Participant, Track.Source]>();
    for (const participant of [this.#room.localParticipant, ...this.#room.remoteParticipants.values()]) {
      wanted.set(`${participant.sid} camera`, [participant, Track.Source.Camera]);
      if (participant.getTrackPublication(Track.Source.ScreenShare) !== undefined) {
        wanted.set(`${participant.sid} screen`, [participant, Track.Source.ScreenShare]);
      }
    }
    for (const [key, tile] of this.#tiles) {
      if (wanted.has(key)) continue;
      tile.remove();
      this.#tiles.delete(key);
    }
    for (const [key, [participant, source]] of wanted) {
      let tile = this.#tiles.get(key);
      if (tile === undefined) {
        tile = new Tile(participant, source);
        this.#tiles.set(key, tile);
        this.#element.append(tile.element);
      }
      tile.update();
    }
    this.#layout();
  }

  #layout(): void {
    const count = Math.max(1, this.#tiles.size);
    const { width, height } = this.#element.getBoundingClientRect();
    let best = { columns: 1, area: 0 };
    for (let columns = 1; columns <= count; columns++) {
      const cell = { width: width / columns, height: height / Math.ceil(count / columns) };
      // The largest 16:9 picture that fits the cell.
      const area = Math.min(cell.width, (cell.height * 16) / 9) ** 2;
      if (area > best.area) best = { columns, area };
    }
    this.#element.style.setProperty('--columns', String(best.columns));
  }

  clear(): void {
    for (const tile of this.#tiles.values()) tile.remove();
    this.#tiles.clear();
  }
}
