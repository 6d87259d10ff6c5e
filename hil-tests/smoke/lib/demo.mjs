/** `bondbox-demo` as a child: started, asked, broken and ended. */

import { execFileSync, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';

import { sleep, until } from './checks.mjs';

export class Demo {
  #child;
  #ended;
  #reportFile;
  /** Every process it was ever seen to have. */
  #pids = new Set();
  #netns = [];

  /** Starts `program`; `name` keeps it apart from other demonstrations on this machine. */
  constructor(program, { name, port, logs, latencyMs, headroom, scenario }) {
    this.#reportFile = join('/run', `bondbox-${name}`, 'demo.json');
    const flags = [
      ...['--name', name, '--port', String(port), '--logs', logs],
      ...['--latency-ms', String(latencyMs), '--headroom', headroom],
      ...(scenario ? ['--scenario', scenario] : []),
    ];
    this.#child = spawn(program, flags, { stdio: ['ignore', 'inherit', 'inherit'] });
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve(error.message));
      this.#child.on('exit', (code, signal) => resolve(signal ?? code));
    });
  }

  /** What runs, as it says itself. */
  async report() {
    const report = JSON.parse(await readFile(this.#reportFile, 'utf8'));
    this.#pids.add(report.linksim_pid);
    for (const { pid } of Object.values(report.services)) if (pid) this.#pids.add(pid);
    for (const pid of Object.values(report.helpers)) this.#pids.add(pid);
    this.#netns = [report.unit_netns, report.gateway_netns];
    return report;
  }

  /** Waits until every service says that it is ready. */
  async ready(milliseconds) {
    const ended = this.#ended.then((how) => {
      throw new Error(`bondbox-demo ended with ${how}`);
    });
    const ready = until('every service is ready', milliseconds, async () => {
      const report = await this.report();
      return Object.values(report.services).every(({ state }) => state === 'ready') && report;
    });
    return Promise.race([ready, ended]);
  }

  /** Process ids by service. */
  async pids() {
    const { services } = await this.report();
    return Object.fromEntries(Object.entries(services).map(([name, { pid }]) => [name, pid]));
  }

  /** How every emulated link does. */
  async linksim() {
    const { linksim_control: path } = await this.report();
    return new Promise((resolve, reject) => {
      const socket = createConnection(path, () => socket.write('{"cmd":"status"}\n'));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
        if (!text.includes('\n')) return;
        socket.end();
        resolve(JSON.parse(text));
      });
      socket.on('error', reject);
      socket.setTimeout(2000, () => socket.destroy(new Error('the emulator does not answer')));
    });
  }

  /** Ends it as Ctrl-C does; says how it ended. */
  async stop() {
    if (this.#child.pid === undefined) return 'never started';
    this.#child.kill('SIGINT');
    const killed = sleep(STOP_MS).then(() => {
      this.#child.kill('SIGKILL');
      return `it did not end within ${STOP_MS} ms`;
    });
    return Promise.race([this.#ended, killed]);
  }

  /** What is still there after its end: processes and network namespaces. */
  leftovers() {
    const processes = [...this.#pids].filter(isAlive).map((pid) => `process ${pid}`);
    const listed = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
    const names = listed.split('\n').map((line) => line.split(' ')[0]);
    return [...processes, ...this.#netns.filter((name) => names.includes(name))];
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const STOP_MS = 12_000;
