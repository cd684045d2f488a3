/** One picture of the grid: a camera (or the initials in its place) or a shared screen. */

import {
  type ConnectionQuality,
  type Participant,
  RemoteTrackPublication,
  Track,
  type TrackPublication,
  VideoQuality,
} from 'livekit-client';
import { make } from './dom.ts';

const LAYERS: [string, VideoQuality][] = [
  ['Auto', VideoQuality.HIGH],
  ['High', VideoQuality.HIGH],
  ['Medium', VideoQuality.MEDIUM],
  ['Low', VideoQuality.LOW],
];

export class Tile {
  readonly element = make('article', 'tile');
  readonly participant: Participant;
  readonly source: Track.Source;
  readonly #bars = make('span', 'bars', make('i'), make('i'), make('i'));
  readonly #avatar = make('div', 'avatar');
  readonly #resolution = make('span', 'resolution');
  readonly #picker = make('select');
  #video: HTMLVideoElement | undefined;

  constructor(participant: Participant, source: Track.Source) {
    this.participant = participant;
    this.source = source;
    const name = participant.name || participant.identity;
    const who = source === Track.Source.ScreenShare ? `${name}'s screen` : participant.isLocal ? `${name} (you)` : name;
    this.#avatar.textContent = initials(name);
    this.element.dataset.identity = participant.identity;
    this.element.classList.toggle('screen', source === Track.Source.ScreenShare);
    this.element.classList.toggle('mirrored', participant.isLocal && source === Track.Source.Camera);
    this.element.append(
      this.#avatar,
      make('div', 'label', this.#bars, make('span', 'who', who)),
      make('div', 'corner', this.#resolution, this.#picker),
    );
    this.#buildPicker();
    this.update();
  }

  get publication(): TrackPublication | undefined {
    return this.participant.getTrackPublication(this.source);
  }

  /** Shows what is published now. */
  update(): void {
    const publication = this.publication;
    const track = publication?.isMuted ? undefined : publication?.videoTrack;
    if (this.#video !== undefined && (track === undefined || !track.attachedElements.includes(this.#video))) {
      this.#video.remove();
      this.#video = undefined;
    }
    if (track !== undefined && this.#video === undefined) {
      this.#video = track.attach() as HTMLVideoElement;
      this.#video.playsInline = true;
      this.#avatar.after(this.#video);
    }
    this.#picker.hidden = !(publication instanceof RemoteTrackPublication) || track === undefined;
    this.#resolution.hidden = track === undefined;
  }

  #buildPicker(): void {
    this.#picker.ariaLabel = 'Simulcast layer';
    this.#picker.title = 'Which simulcast layer to receive';
    for (const [text] of LAYERS) this.#picker.append(new Option(text));
    this.#picker.addEventListener('change', () => {
      const publication = this.publication;
      const layer = LAYERS[this.#picker.selectedIndex];
      if (publication instanceof RemoteTrackPublication && layer !== undefined) publication.setVideoQuality(layer[1]);
    });
  }

  setSpeaking(speaking: boolean): void {
    this.element.classList.toggle('speaking', speaking && this.source === Track.Source.Camera);
  }

  setQuality(quality: ConnectionQuality): void {
    this.#bars.dataset.quality = quality;
    this.#bars.title = `Connection: ${quality}`;
  }

  /** Called now and then: the picture's true size. */
  refreshResolution(): void {
    const { videoWidth = 0, videoHeight = 0 } = this.#video ?? {};
    this.#resolution.textContent = videoWidth > 0 ? `${videoWidth}×${videoHeight}` : '…';
  }

  remove(): void {
    if (this.#video !== undefined) this.publication?.videoTrack?.detach(this.#video);
    this.element.remove();
  }
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  return words
    .slice(0, 2)
    .map((word) => [...word][0] ?? '')
    .join('')
    .toUpperCase();
}
