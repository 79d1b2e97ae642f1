// Leads Discord's gateways to the proxy in any Bun program: a launch names it in BUN_OPTIONS. The rules are node.cjs's,
// which does it for what is built on tls.connect. Bun's WebSockets are not, so they are told of the proxy.
"use strict";

const { ClientRequest } = require("http");
const ws = require("ws");
const { rootCertificates } = require("tls");
const { PLAN, extended, lead, named, report, wrap } = require("./node.cjs");

// As `inspector.proxy.launch.install` writes it: Bun before 1.3.7 ends without a word where a space stands for the "=",
// and `bun run` does in all versions.
const flag = `--preload=${__filename}`;

// Return the options of a connection with the proxy in them, null for "as they were".
function throughProxy(url, options) {
  const { protocol, hostname, port } = new URL(url);
  const name = named(hostname);
  if (name === null) return null;
  if (options.proxy || (options.agent && options.agent.proxy)) {
    report("own-proxy", name);
    return null;
  }
  const secure = /^(wss|https):$/.test(protocol);
  if (!lead(name, Number(port) || (secure ? 443 : 80))) return null;
  const { ca } = Object(options.tls);
  const tls = Object.assign({}, options.tls, { ca: [].concat(ca || rootCertificates, PLAN.ca) });
  const host = PLAN.host.includes(":") ? `[${PLAN.host}]` : PLAN.host;
  return Object.assign({}, options, { proxy: `http://${host}:${PLAN.port}`, tls });
}

// Return a WebSocket class whose connections go through the proxy: of Bun's own, or of the "ws" of old versions.
function led(Original) {
  return class WebSocket extends Original {
    constructor(url, protocols, options) {
      let changed = null;
      try {
        const listed = typeof protocols === "string" || Array.isArray(protocols);
        changed = throughProxy(url, listed ? Object.assign({ protocols }, options) : Object.assign({}, protocols));
      } catch (error) {
        report("failed", "", 0, `WebSocket: ${error}`);
      }
      if (changed === null) super(url, protocols, options);
      else if (Original === ws) super(url, changed.protocols || [], changed);
      // Bun's own takes its options second, and nothing third.
      else super(url, changed);
    }
  };
}

function keyOf(object, name) {
  return Object.getOwnPropertySymbols(object).find((each) => each.description === name);
}

// From 1.4.4 on, "ws" keeps its request in `_req` before it connects, and in there what it will connect with. What an
// ES module imports as default can't be exchanged, so the class is changed where it is.
function changeInPlace(WebSocket) {
  const request = Symbol("request");
  Object.defineProperty(WebSocket.prototype, "_req", {
    configurable: true,
    get() {
      return this[request];
    },
    set(value) {
      this[request] = value;
      try {
        // Where it connects by tls.connect it is an ordinary request, and node.cjs has seen it.
        if (value === null || value instanceof ClientRequest) return;
        const options = value[keyOf(value, "kNativeOptions")];
        Object.assign(options, throughProxy(value[keyOf(value, "kUrl")], options));
      } catch (error) {
        report("failed", "", 0, `ws: ${error}`);
      }
    },
  });
}

// Bun passes on what it has loaded to no thread, and to a process in the environment alone.
function follow(threads, { ChildProcess }) {
  const preloading = (Original) =>
    class Worker extends Original {
      constructor(file, options) {
        const preload = [__filename].concat(Object(options).preload || []);
        super(file, Object.assign({}, options, { preload }));
      }
    };
  threads.Worker = preloading(threads.Worker);
  globalThis.Worker = preloading(globalThis.Worker);
  wrap(ChildProcess.prototype, "spawn", (child, [options]) => {
    const key = keyOf(options, "bunEnv");
    const env = options[key];
    if (env) options[key] = Object.assign({}, env, { BUN_OPTIONS: extended(env.BUN_OPTIONS, flag) });
    return null;
  });
}

function install() {
  if (PLAN === null || process.env.GWINSPECT_HOOKS === "off") return;
  if (Bun.semver.order(Bun.version, "1.3.6") < 0) {
    report("failed", "", 0, "the WebSockets of this Bun know no proxy; those of Bun 1.3.6 do");
    return;
  }
  follow(require("worker_threads"), require("child_process"));
  globalThis.WebSocket = led(globalThis.WebSocket);
  require("undici").WebSocket = globalThis.WebSocket;
  if (Bun.semver.order(Bun.version, "1.4.4") >= 0) {
    changeInPlace(ws);
  } else {
    // For `import { WebSocket }`, and for `require`, as libraries do. `import WebSocket` still has the old one.
    const changed = led(ws);
    ws.WebSocket = changed.WebSocket = changed;
    require("bun:test").mock.module("ws", () => changed);
  }
}

try {
  install();
} catch (error) {
  report("failed", "", 0, String(error));
}
