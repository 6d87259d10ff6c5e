import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const GATEWAY = process.env['GATEWAY'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte()],
  // `npm run dev` beside a gateway that runs already.
  server: { proxy: { '/api': GATEWAY, '/live': GATEWAY } },
  // The gateway may serve the page below any path.
  base: './',
  build: { target: 'es2022', assetsInlineLimit: 0, chunkSizeWarningLimit: 600 },
});
