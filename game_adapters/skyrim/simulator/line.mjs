// @ts-check
/**
 * The line between a game and the daemon, which can be cut: a proxy on loopback that counts what passes, in either
 * direction, and breaks everything at one message. It counts text frames of WebSockets, posts, and polls that bring
 * something; the loading of a page is not counted, but a cut breaks that too.
 */

import net from 'node:net';

/**
 * @typedef {object} Cut
 * @property {number} at       the number of the message, from 1
 * @property {boolean} lost    whether that message itself is lost; otherwise it is the last that arrives
 */

/** Of real time: how long nothing gets through after a cut. */
const DOWN_MS = 15;

export class Line {
  /** @param {Cut | null} [cut] */
  constructor(cut = null) {
    this.cut = cut;
    /** Messages that have passed. */
    this.count = 0;
    this.down = false;
    this.cuts = 0;
    /** The game asks by long poll. */
    this.polled = false;
    /** @type {Set<net.Socket>} */
    this.sockets = new Set();
    /** @type {net.Server[]} */
    this.servers = [];
  }

  /**
   * A door to the daemon's own; gives the address that the game is told.
   * @param {string} url
   * @returns {Promise<URL>}
   */
  async open(url) {
    const there = new URL(url);
    const server = net.createServer({ noDelay: true }, (game) => this.connect(game, there));
    this.servers.push(server);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
    const here = new URL(url);
    here.hostname = '127.0.0.1';
    here.port = String(/** @type {net.AddressInfo} */ (server.address()).port);
    return here;
  }

  close() {
    this.breakAll();
    for (const server of this.servers) server.close();
  }

  /**
   * Nothing gets through for a while.
   * @param {number} [ms] of real time
   */
  interrupt(ms = DOWN_MS) {
    this.cuts += 1;
    this.down = true;
    this.breakAll();
    setTimeout(() => (this.down = false), ms);
  }

  breakAll() {
    for (const socket of this.sockets) socket.destroy();
  }

  /**
   * One message more; says whether it may pass, and whether the line breaks with it.
   * @returns {'pass' | 'last' | 'lost'}
   */
  next() {
    this.count += 1;
    if (this.cut?.at !== this.count) return 'pass';
    return this.cut.lost ? 'lost' : 'last';
  }

  /**
   * @param {net.Socket} game
   * @param {URL} there
   */
  connect(game, there) {
    if (this.down) {
      game.destroy();
      return;
    }
    const daemon = net.connect({ port: Number(there.port), host: there.hostname, noDelay: true });
    for (const [socket, other] of [[game, daemon], [daemon, game]]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined); // its end follows
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.end();
      });
    }
    const first = (/** @type {Buffer} */ data) => {
      const head = data.toString('latin1');
      const path = /^\w+ (\/\w*)/.exec(head)?.[1] ?? '';
      if (/^upgrade: *websocket/im.test(head)) this.passFrames(game, daemon, atHome(head, there));
      else if (path === '/session' || path === '/send' || path === '/poll') this.passRequest(game, daemon, data, path);
      else {
        daemon.write(data);
        game.pipe(daemon);
        daemon.pipe(game);
      }
    };
    game.once('data', first);
  }

  /**
   * A WebSocket, frame by frame.
   * @param {net.Socket} game
   * @param {net.Socket} daemon
   * @param {string} head
   */
  passFrames(game, daemon, head) {
    daemon.write(head, 'latin1');
    const upward = new FrameSplitter();
    const downward = new FrameSplitter();
    game.on('data', (data) => this.pass(upward.feed(data), daemon));
    let opening = Buffer.alloc(0);
    let open = false;
    daemon.on('data', (data) => {
      if (open) {
        this.pass(downward.feed(data), game);
        return;
      }
      opening = Buffer.concat([opening, data]);
      const end = opening.indexOf('\r\n\r\n');
      if (end < 0) return;
      open = true;
      game.write(opening.subarray(0, end + 4));
      this.pass(downward.feed(opening.subarray(end + 4)), game);
    });
  }

  /**
   * @param {Frame[]} frames
   * @param {net.Socket} to
   */
  pass(frames, to) {
    for (const { bytes, counts } of frames) {
      if (this.down) return;
      const fate = counts ? this.next() : 'pass';
      if (fate !== 'lost') this.deliver(to, bytes, fate === 'last');
      else this.interrupt();
    }
  }

  /**
   * @param {net.Socket} to
   * @param {Buffer} bytes
   * @param {boolean} last  the line breaks once these are through
   */
  deliver(to, bytes, last) {
    if (!last) {
      to.write(bytes);
      return;
    }
    this.down = true;
    // Ended and not destroyed, so that what was written last arrives before the end does.
    to.end(bytes, () => {
      this.sockets.delete(to);
      this.interrupt();
    });
  }

  /**
   * One request and its answer, each whole.
   * @param {net.Socket} game
   * @param {net.Socket} daemon
   * @param {Buffer} begin
   * @param {string} path
   */
  passRequest(game, daemon, begin, path) {
    this.polled = true;
    let request = begin;
    let passed = false;
    const ask = () => {
      if (passed || !whole(request)) return;
      passed = true;
      const fate = path === '/poll' ? 'pass' : this.next();
      if (fate === 'lost') this.interrupt();
      else this.deliver(daemon, request, fate === 'last');
    };
    game.on('data', (data) => {
      request = Buffer.concat([request, data]);
      ask();
    });
    ask();
    /** @type {Buffer[]} */
    const parts = [];
    daemon.on('data', (data) => parts.push(data));
    daemon.on('end', () => {
      if (this.down) return;
      const answer = Buffer.concat(parts);
      const counts = path === '/session' || (path === '/poll' && answer.includes('"n":'));
      const fate = counts ? this.next() : 'pass';
      if (fate === 'lost') this.interrupt();
      else if (fate === 'last') this.deliver(game, answer, true);
      else game.end(answer);
    });
  }
}

/**
 * The page comes from the daemon and not from this door, and the daemon heeds where a page comes from.
 * @param {string} head
 * @param {URL} there
 */
function atHome(head, there) {
  return head.replace(/^(origin: *http:\/\/)\S+/im, `$1${there.host}`);
}

/**
 * Whether a request has arrived with all of its body.
 * @param {Buffer} request
 */
function whole(request) {
  const end = request.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /^content-length: *(\d+)/im.exec(request.subarray(0, end).toString('latin1'))?.[1] ?? '0';
  return request.length >= end + 4 + Number(length);
}

/** @typedef {{bytes: Buffer, counts: boolean}} Frame  `counts`: a message, and no ping, pong or close */

/** Finds the frames in the bytes of one direction of a WebSocket. */
class FrameSplitter {
  constructor() {
    this.rest = Buffer.alloc(0);
  }

  /**
   * @param {Buffer} data
   * @returns {Frame[]}
   */
  feed(data) {
    this.rest = Buffer.concat([this.rest, data]);
    const frames = [];
    for (let size = this.size(); size > 0 && this.rest.length >= size; size = this.size()) {
      const bytes = this.rest.subarray(0, size);
      frames.push({ bytes, counts: (bytes[0] & 0x0f) < 8 });
      this.rest = this.rest.subarray(size);
    }
    return frames;
  }

  /** Of the frame that begins here; 0 while that is not known. */
  size() {
    const { rest } = this;
    if (rest.length < 2) return 0;
    const mask = rest[1] & 0x80 ? 4 : 0;
    const short = rest[1] & 0x7f;
    if (short < 126) return 2 + mask + short;
    if (short === 126) return rest.length < 4 ? 0 : 4 + mask + rest.readUInt16BE(2);
    return rest.length < 10 ? 0 : 10 + mask + Number(rest.readBigUInt64BE(2));
  }
}
