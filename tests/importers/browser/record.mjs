// Makes the files of this folder: a gateway on loopback, a page that talks to it, and Playwright, which records that.
//
//   npm install playwright-core ws && node record.mjs      (with Chromium at /usr/bin/chromium)
//
// Made with playwright-core 1.65.1 and Chromium 156. Everything in them is invented.
import http from 'http';
import zlib from 'zlib';
import { chromium } from 'playwright-core';
import { WebSocketServer } from 'ws';

const PORT = 8766;
const page = (request, response) => { response.setHeader('content-type', 'text/html'); response.end('<p>x'); };
const server = http.createServer(page).listen(PORT, '127.0.0.1');

new WebSocketServer({ server }).on('connection', (socket, request) => {
  const stream = request.url.includes('zlib') ? zlib.createDeflate() : null;
  let last = Promise.resolve();
  const send = payload => {
    const text = JSON.stringify(payload);
    last = last.then(() => new Promise(sent => {
      if (!stream) { socket.send(text); return sent(); }
      const pieces = [];
      const keep = piece => pieces.push(piece);
      stream.on('data', keep);
      stream.write(text);
      stream.flush(zlib.constants.Z_SYNC_FLUSH, () => setImmediate(() => {
        stream.off('data', keep);
        socket.send(Buffer.concat(pieces));
        sent();
      }));
    }));
  };
  send({ op: 10, d: { heartbeat_interval: 41250 }, s: null, t: null });
  socket.on('message', data => {
    const { op, close } = JSON.parse(data);
    if (close) socket.close(4000, 'bye');
    else if (op === 2) send({ op: 0, t: 'READY', s: 1, d: {
      v: 10, session_id: '5e551075e551075e551075e551075e55', user: { id: '1180000000000000001' },
      resume_gateway_url: `ws://127.0.0.1:${PORT}` } });
    else if (op === 1) send({ op: 11 });
  });
});

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
for (const [path, content] of [['embed.har', 'embed'], ['attach.zip', 'attach']]) {
  const context = await browser.newContext({ recordHar: { path, content, mode: 'full' } });
  const tab = await context.newPage();
  await tab.goto(`http://127.0.0.1:${PORT}/`);
  await tab.evaluate(async port => {
    const talk = (query, close) => new Promise(done => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/?v=10&encoding=json${query}`);
      const send = payload => socket.send(JSON.stringify(payload));
      let received = 0;
      socket.onclose = done;
      socket.onmessage = async () => {
        received++;
        if (received === 1) send({ op: 2, d: { token: 'not-a-real-token', intents: 513, properties: { os: 'linux' } } });
        if (received === 2) { await new Promise(later => setTimeout(later, 30)); send({ op: 1, d: 1 }); }
        if (received === 3) { if (close) send({ op: 3, close: true }); else done(); }
      };
    });
    await talk('', true);
    await talk('&compress=zlib-stream', false);
  }, PORT);
  await context.close();
}
await browser.close();
process.exit();
