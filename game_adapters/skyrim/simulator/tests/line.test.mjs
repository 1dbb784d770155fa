// @ts-check
/** The line counts WebSocket frames however they are cut into packets, and breaks at the one it is told. */

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { Line } from '../line.mjs';

const OPENING = 'GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nOrigin: http://127.0.0.1:1\r\n\r\n';

/**
 * @param {string} text
 * @param {boolean} masked  as the game's are
 */
function frame(text, masked) {
  const body = Buffer.from(text);
  const length = body.length < 126 ? [body.length] : [126, body.length >> 8, body.length & 255];
  if (masked) length[0] |= 0x80;
  return Buffer.concat([Buffer.from([0x81, ...length]), Buffer.alloc(masked ? 4 : 0), body]);
}

/**
 * A daemon that sends what it is told, with a line to it.
 * @param {import('../line.mjs').Cut | null} cut
 * @param {(daemon: net.Socket) => void} greet
 */
async function connected(cut, greet) {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      greet(socket);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const line = new Line(cut);
  const address = /** @type {net.AddressInfo} */ (server.address());
  const door = await line.open(`ws://127.0.0.1:${address.port}/ws`);
  const game = net.connect(Number(door.port), '127.0.0.1');
  game.write(OPENING);
  /** @type {Buffer[]} */
  const parts = [];
  game.on('data', (data) => parts.push(data));
  const ended = new Promise((resolve) => game.on('close', resolve));
  const close = () => {
    game.destroy();
    line.close();
    server.close();
  };
  return { line, ended, got: () => Buffer.concat(parts).toString('latin1'), close, game };
}

const THREE = Buffer.concat([frame('one', false), frame('x'.repeat(300), false), frame('three', false)]);

test('frames are counted whatever the packets', async () => {
  const { line, ended, got, close } = await connected(null, (daemon) => {
    for (const byte of THREE) daemon.write(Buffer.from([byte]));
    daemon.end();
  });
  await ended;
  assert.equal(line.count, 3);
  assert.ok(got().endsWith('three'));
  close();
});

test('a cut lets its message through, and nothing after it', async () => {
  const { line, ended, got, close } = await connected({ at: 2, lost: false }, (daemon) => daemon.write(THREE));
  await ended;
  assert.equal(line.cuts, 1);
  assert.ok(got().includes('xxx') && !got().includes('three'));
  close();
});

test('a cut can lose its message', async () => {
  const { ended, got, close } = await connected({ at: 2, lost: true }, (daemon) => daemon.write(THREE));
  await ended;
  assert.ok(got().includes('one') && !got().includes('xxx'));
  close();
});

test('what the game sends is counted with the rest', async () => {
  const { line, ended, close, game } = await connected({ at: 2, lost: false }, (daemon) => daemon.write(frame('one', false)));
  game.once('data', () => game.write(frame('two', true)));
  await ended;
  assert.equal(line.count, 2);
  close();
});
