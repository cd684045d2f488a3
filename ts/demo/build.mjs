/** Bundles the demo page into a folder: page, style and one script with livekit-client inside; no network needed. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

export async function buildDemo(target) {
  const { build } = await import('esbuild');
  mkdirSync(target, { recursive: true });
  await build({
    entryPoints: [`${here}main.ts`],
    outfile: `${target}/demo.js`,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
  for (const file of ['index.html', 'demo.css']) copyFileSync(`${here}${file}`, `${target}/${file}`);
}
