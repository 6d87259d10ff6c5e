import { readFileSync } from 'node:fs';

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

const GATEWAY = process.env['GATEWAY'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte(), fontLicense()],
  // `npm run dev` beside a gateway that runs already.
  server: { proxy: { '/api': GATEWAY, '/live': GATEWAY } },
  // The gateway may serve the page below any path.
  base: './',
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
    license: { fileName: 'licenses.md' },
  },
});

/** Vite collects the licenses of code. The font asks for its own beside it. */
function fontLicense(): Plugin {
  return {
    name: 'font-license',
    generateBundle() {
      const source = readFileSync('node_modules/@fontsource-variable/inter/LICENSE', 'utf8');
      this.emitFile({ type: 'asset', fileName: 'licenses-font.txt', source });
    },
  };
}
