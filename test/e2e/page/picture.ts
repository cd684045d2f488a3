/** Pictures with known content: a plain color with a white bar that moves, and a look at what arrived of it. */

export interface Seen {
  width: number;
  height: number;
  /** The prevailing color: red, green or blue. */
  color: string;
}

/** A canvas that keeps moving, as a camera. */
export function paintedTrack(
  color: string,
  width: number,
  height: number,
): { track: MediaStreamTrack; stop: () => void } {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('no canvas');
  let step = 0;
  const paint = () => {
    step += 1;
    context.fillStyle = color;
    context.fillRect(0, 0, width, height);
    context.fillStyle = 'white';
    context.fillRect(((step * width) / 40) % width, 0, width / 8, height);
  };
  paint();
  const timer = setInterval(paint, 40);
  const [track] = canvas.captureStream(25).getVideoTracks();
  if (track === undefined) throw new Error('no track');
  return {
    track,
    stop: () => {
      clearInterval(timer);
      track.stop();
    },
  };
}

/** Looks at a video element. */
export class Watcher {
  readonly #video: HTMLVideoElement;
  readonly #canvas = new OffscreenCanvas(64, 36);
  #last: Uint8ClampedArray | undefined;
  /** Frames shown so far. */
  frames = 0;
  /** When the last frame was, or the last question about gaps. */
  #shown = performance.now();
  #longestGap = 0;
  #closed = false;

  constructor(video: HTMLVideoElement, size?: [number, number]) {
    this.#video = video;
    if (size !== undefined) this.resize(...size);
    video.muted = true;
    document.body.append(video);
    void video.play();
    const count = () => {
      this.frames += 1;
      this.#longestGap = Math.max(this.#longestGap, performance.now() - this.#shown);
      this.#shown = performance.now();
      if (!this.#closed) video.requestVideoFrameCallback(count);
    };
    video.requestVideoFrameCallback(count);
  }

  /** What is on the picture, if it has a color and changed since the last look. */
  look(): Seen | undefined {
    const { videoWidth, videoHeight } = this.#video;
    const context = this.#canvas.getContext('2d', { willReadFrequently: true });
    if (videoWidth === 0 || context === null) return undefined;
    context.drawImage(this.#video, 0, 0, 64, 36);
    const pixels = context.getImageData(0, 0, 64, 36).data;
    const last = this.#last;
    this.#last = pixels;
    if (last === undefined || difference(last, pixels) < 2) return undefined;
    const color = prevailing(pixels);
    // Black between two pictures (a mute, a new key frame) is none yet.
    return color === 'none' ? undefined : { width: videoWidth, height: videoHeight, color };
  }

  /** The longest time without a frame since the last question, milliseconds; one that lasts still counts. */
  gap(): number {
    const longest = Math.max(this.#longestGap, performance.now() - this.#shown);
    this.#longestGap = 0;
    this.#shown = performance.now();
    return Math.round(longest);
  }

  /** CSS pixels. */
  resize(width: number, height: number): void {
    Object.assign(this.#video.style, { width: `${width}px`, height: `${height}px` });
  }

  hide(hidden: boolean): void {
    this.#video.style.display = hidden ? 'none' : '';
  }

  close(): void {
    this.#closed = true;
    this.#video.remove();
  }
}

/** Mean difference of two pictures, 0 to 255. */
function difference(a: Uint8ClampedArray, b: Uint8ClampedArray): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += Math.abs((a[index] ?? 0) - (b[index] ?? 0));
  return sum / a.length;
}

/** Which primary most pixels have; white ones (the bar) count for none. */
function prevailing(pixels: Uint8ClampedArray): string {
  const votes = { red: 0, green: 0, blue: 0, none: 0 };
  for (let index = 0; index < pixels.length; index += 4) {
    const [r = 0, g = 0, b = 0] = pixels.slice(index, index + 3);
    const peak = Math.max(r, g, b);
    if (peak - Math.min(r, g, b) < 60) votes.none += 1;
    else if (r === peak) votes.red += 1;
    else if (g === peak) votes.green += 1;
    else votes.blue += 1;
  }
  const colors = ['red', 'green', 'blue'] as const;
  const best = colors.reduce((a, b) => (votes[b] > votes[a] ? b : a));
  return votes[best] > 500 ? best : 'none';
}
