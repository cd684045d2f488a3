/** Tones that are sent, and an ear for what arrives. */

import type { RemoteTrack } from 'livekit-client';

let shared: AudioContext | undefined;

function context(): AudioContext {
  shared ??= new AudioContext();
  return shared;
}

/** A steady tone, as a microphone. */
export function tone(frequency: number): { track: MediaStreamTrack; stop: () => void } {
  const oscillator = context().createOscillator();
  oscillator.frequency.value = frequency;
  const gain = context().createGain();
  gain.gain.value = 0.5;
  const destination = context().createMediaStreamDestination();
  oscillator.connect(gain).connect(destination);
  oscillator.start();
  const [track] = destination.stream.getAudioTracks();
  if (track === undefined) throw new Error('no track');
  return { track, stop: () => oscillator.stop() };
}

/** Listens to a remote track. */
export class Ear {
  readonly #analyser = context().createAnalyser();

  constructor(track: RemoteTrack) {
    // Chromium decodes remote audio only while an element plays it.
    const element = track.attach();
    element.volume = 0.01;
    document.body.append(element);
    this.#analyser.fftSize = 4096;
    context()
      .createMediaStreamSource(new MediaStream([track.mediaStreamTrack]))
      .connect(this.#analyser);
  }

  /** The loudest frequency in Hz; 0 for silence. */
  loudest(): number {
    const bins = new Float32Array(this.#analyser.frequencyBinCount);
    this.#analyser.getFloatFrequencyData(bins);
    let best = 0;
    for (let index = 1; index < bins.length; index++) if ((bins[index] ?? 0) > (bins[best] ?? 0)) best = index;
    if ((bins[best] ?? Number.NEGATIVE_INFINITY) < -70) return 0;
    return (best * context().sampleRate) / this.#analyser.fftSize;
  }
}
