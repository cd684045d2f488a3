/** The few shapes that plots are made of, as SVG text. Positions and sizes are pixels from the top left. */

export type Anchor = 'start' | 'middle' | 'end';

export class Svg {
  readonly #width: number;
  readonly #height: number;
  readonly #shapes: string[] = [];

  constructor(width: number, height: number) {
    this.#width = width;
    this.#height = height;
  }

  text(
    x: number,
    y: number,
    content: string,
    options: { anchor?: Anchor; size?: number; bold?: boolean; color?: string } = {},
  ): void {
    const { anchor = 'start', size = 12, bold = false, color = INK } = options;
    const weight = bold ? ' font-weight="600"' : '';
    const place = `x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"`;
    this.#shapes.push(`<text ${place} font-size="${size}"${weight} fill="${color}">${escaped(content)}</text>`);
  }

  line(x1: number, y1: number, x2: number, y2: number, color = GRID, dashed = false): void {
    const ends = `x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"`;
    this.#shapes.push(`<line ${ends} stroke="${color}"${dashed ? ' stroke-dasharray="4 3"' : ''}/>`);
  }

  /** `hint` shows where the pointer rests on it. */
  bar(x: number, y: number, width: number, height: number, color: string, hint: string): void {
    const box = `x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"`;
    this.#shapes.push(`<rect ${box} rx="2" fill="${color}"><title>${escaped(hint)}</title></rect>`);
  }

  curve(points: readonly (readonly [number, number])[], color: string, opacity = 1): void {
    const path = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ');
    const stroke = `stroke="${color}" stroke-width="2" stroke-opacity="${opacity}" stroke-linejoin="round"`;
    this.#shapes.push(`<polyline points="${path}" fill="none" ${stroke}/>`);
  }

  dot(x: number, y: number, color: string, hint: string): void {
    const place = `cx="${round(x)}" cy="${round(y)}" r="4"`;
    this.#shapes.push(`<circle ${place} fill="${color}"><title>${escaped(hint)}</title></circle>`);
  }

  toString(): string {
    const size = `width="${this.#width}" height="${this.#height}" viewBox="0 0 ${this.#width} ${this.#height}"`;
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="system-ui, sans-serif">`,
      `<rect width="100%" height="100%" fill="${PAPER}"/>`,
      ...this.#shapes,
      '</svg>\n',
    ].join('\n');
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

export const INK = '#1f2430';
export const FAINT = '#6b7280';
export const GRID = '#e2e5ea';
const PAPER = '#ffffff';
/** Of the servers, in their order; told apart by people who see no red or no green, too (Okabe and Ito). */
export const COLORS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7'] as const;
