/**
 * The page without a gateway: Vite, invented statuses and a real live stream from GStreamer.
 *
 * `npm run dev-demo` serves it on port 5173 (`PORT`); `STREAMS=a,b` names the streams, and `DIST=1`
 * serves what was built instead of the sources. `POST /dev/mute?ms=3000` silences the events and
 * ends the streams, as a gateway that restarts does; `POST /dev/encoder` starts the picture anew
 * on the same connection, with a clock that starts at zero.
 */

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Model } from './model.mjs';

const EVENT_MS = 250;
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };

/** Starts the server; `close` ends it and every child. */
export async function serve({ port = 0, streams = ['unit-1'], dist = false } = {}) {
  const model = new Model(streams);
  const started = performance.now();
  const listeners = new Set();
  const players = new Set();
  let mutedUntil = 0;
  const muted = () => performance.now() < mutedUntil;
  const status = () => JSON.stringify(model.status((performance.now() - started) / 1000));
  const timer = setInterval(() => {
    model.advance(EVENT_MS / 1000);
    if (!muted()) for (const response of listeners) response.write(`data: ${status()}\n\n`);
  }, EVENT_MS);

  const live = (response) => {
    let child;
    const encode = () => {
      child = spawn('gst-launch-1.0', PIPELINE, { stdio: ['ignore', 'pipe', 'ignore'] });
      child.stdout.pipe(response, { end: false });
    };
    const player = {
      end() {
        child.kill('SIGKILL');
        response.end();
        players.delete(player);
      },
      restartEncoder() {
        const dying = child;
        dying.stdout.unpipe(response);
        dying.kill('SIGKILL');
        setTimeout(encode, 1500);
      },
    };
    players.add(player);
    response.writeHead(200, { 'content-type': 'video/mp2t', 'cache-control': 'no-store' });
    encode();
    response.on('close', player.end);
  };

  const routes = async (request, response, next) => {
    const url = new URL(request.url, 'http://localhost');
    const path = url.pathname;
    const answer = (code, body) => {
      response.writeHead(code, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    const verb = /^\/api\/demo\/links\/([^/]+)\/(cut|blackhole|restore)$/.exec(path);
    const asked = /^\/api\/streams\/[^/]+\/(identify|start|stop)$/.exec(path);
    if (path === '/dev/mute') {
      mutedUntil = performance.now() + Number(url.searchParams.get('ms'));
      for (const player of players) player.end();
      for (const listener of listeners) listener.end();
      answer(200, {});
    } else if (path === '/dev/encoder') {
      for (const player of players) player.restartEncoder();
      answer(200, {});
    } else if (path.startsWith('/api') && muted()) {
      response.destroy();
    } else if (path === '/api/status') {
      answer(200, JSON.parse(status()));
    } else if (path === '/api/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(`data: ${status()}\n\n`);
      listeners.add(response);
      response.on('close', () => listeners.delete(response));
    } else if (path === '/api/demo/links') {
      answer(200, model.demoLinks());
    } else if (verb && request.method === 'POST') {
      const mode = { cut: 'cut', blackhole: 'blackhole', restore: 'up' }[verb[2]];
      const error = model.setMode(decodeURIComponent(verb[1]), mode);
      setTimeout(() => (error ? answer(404, { error }) : answer(200, {})), 60);
    } else if (asked && request.method === 'POST') {
      model.ask(asked[1]);
      setTimeout(() => response.writeHead(204).end(), 300);
    } else if (path.startsWith('/live/')) {
      if (muted()) answer(503, { error: 'not now' });
      else live(response);
    } else {
      next();
    }
  };

  const vite = dist ? null : await startVite();
  const server = createServer((request, response) => {
    void routes(request, response, () => {
      if (vite) vite.middlewares(request, response);
      else void file(request, response);
    });
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    async close() {
      clearInterval(timer);
      for (const player of players) player.end();
      for (const listener of listeners) listener.end();
      await vite?.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function startVite() {
  const { createServer: create } = await import('vite');
  return create({ root: ROOT, server: { middlewareMode: true, hmr: false }, appType: 'spa' });
}

async function file(request, response) {
  const path = normalize(new URL(request.url, 'http://localhost').pathname);
  const name = path === '/' ? '/index.html' : path;
  try {
    const bytes = await readFile(join(ROOT, 'dist', name));
    response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream' });
    response.end(bytes);
  } catch {
    response.writeHead(404).end();
  }
}

const PIPELINE = [
  ...['-q', 'videotestsrc', 'is-live=true', 'pattern=smpte', 'horizontal-speed=2', '!'],
  ...['video/x-raw,width=640,height=360,framerate=25/1', '!', 'clockoverlay', 'font-desc=Sans 28', '!'],
  ...['x264enc', 'tune=zerolatency', 'speed-preset=ultrafast', 'key-int-max=50', 'bitrate=1500', '!'],
  ...['h264parse', '!', 'mpegtsmux', 'name=mux', 'alignment=1', '!', 'fdsink', 'sync=false'],
  ...['audiotestsrc', 'is-live=true', 'volume=0.1', '!', 'audio/x-raw,rate=48000,channels=2', '!'],
  ...['voaacenc', '!', 'aacparse', '!', 'mux.'],
];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await serve({
    port: Number(process.env.PORT ?? 5173),
    streams: (process.env.STREAMS ?? 'unit-1').split(','),
    dist: process.env.DIST === '1',
  });
  console.log(`page with invented links at ${server.url}`);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => void server.close().then(() => process.exit(0)));
  }
}
