// Makes the files of this folder: a gateway on loopback, a page that talks to it, and what a browser tells of that to
// Playwright, to its own DevTools, and to a script. All of them recorded the same minute of the same page.
//
//   npm install playwright-core ws && node record.mjs      (with Chromium at /usr/bin/chromium)
//
// in a folder whose name may be seen, as a trace has the path of this file.
//
// Made with playwright-core 1.65.1 and Chromium 156. Everything in them is invented.
import fs from 'fs';
import http from 'http';
import zlib from 'zlib';
import { chromium } from 'playwright-core';
import { WebSocketServer } from 'ws';

const PORT = 8766;
const DEBUGGING = 8765;
const page = (request, response) => { response.setHeader('content-type', 'text/html'); response.end('<p>x'); };
const server = http.createServer(page).listen(PORT, '127.0.0.1');
const gateway = new WebSocketServer({ noServer: true });

server.on('upgrade', (request, socket, head) => {
  if (request.url.includes('refused')) socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
  else gateway.handleUpgrade(request, socket, head, accepted => gateway.emit('connection', accepted, request));
});

gateway.on('connection', (socket, request) => {
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

for (const made of ['attach', 'resources']) fs.rmSync(made, { recursive: true, force: true });
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: [
  '--no-sandbox', `--remote-debugging-port=${DEBUGGING}`, '--remote-allow-origins=*'] });
const context = await browser.newContext({ recordHar: { path: 'omit.har', content: 'omit' } });
await context.tracing.start({ snapshots: true });
await context.tracing.startHar('resources/har.har', { content: 'attach', resourcesDir: 'resources/said' });
const tab = await context.newPage();
for (const [path, updateContent, updateMode] of [
  ['embed.har', 'embed', 'full'], ['attach/har.har', 'attach', 'full'], ['attach.zip', 'attach', 'full'],
  ['minimal.har', 'embed', 'minimal']]) await tab.routeFromHAR(path, { update: true, updateContent, updateMode });

const events = fs.createWriteStream('events.cdp.jsonl');
const session = await context.newCDPSession(tab);
for (const name of ['Created', 'WillSendHandshakeRequest', 'HandshakeResponseReceived', 'FrameSent', 'FrameReceived',
  'FrameError', 'Closed']) {
  const method = `Network.webSocket${name}`;
  session.on(method, params => events.write(JSON.stringify({ method, params }) + '\n'));
}
await session.send('Network.enable');
await tab.goto(`http://127.0.0.1:${PORT}/`);

// DevTools in a page of another browser context, which no HAR records: its own code writes its HAR.
const targets = await (await fetch(`http://127.0.0.1:${DEBUGGING}/json/list`)).json();
const target = targets.find(each => each.url.includes(`:${PORT}`)).id;
const tools = await (await browser.newContext()).newPage();
await tools.goto(`devtools://devtools/bundled/devtools_app.html?ws=127.0.0.1:${DEBUGGING}/devtools/page/${target}`);
const ready = () => tools.evaluate(async () => {
  const { NetworkLog } = await import('./models/logs/logs.js');
  return NetworkLog.NetworkLog.instance().requests().length;
});
// Anything that it has noticed shows that it listens.
for (let tries = 0; tries < 100 && !await ready(); tries++) {
  await tab.evaluate(() => fetch('/?again').then(answer => answer.text()));
  await new Promise(later => setTimeout(later, 100));
}

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
  await talk('&refused');
  await talk('&compress=zlib-stream', false);
}, PORT);
await new Promise(later => setTimeout(later, 500));
fs.writeFileSync('devtools.har', await tools.evaluate(async () => {
  const { NetworkLog } = await import('./models/logs/logs.js');
  const { Log } = await import('./models/har/har.js');
  const sockets = NetworkLog.NetworkLog.instance().requests().filter(each => each.url().startsWith('ws'));
  return JSON.stringify({ log: await Log.Log.build(sockets, { sanitize: false }) }, null, 2);
}));
await context.tracing.stopHar();
await context.tracing.stop({ path: 'trace.zip' });
await context.close();
await browser.close();
process.exit();
