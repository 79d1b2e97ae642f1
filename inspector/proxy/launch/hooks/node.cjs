// Leads Discord's gateways to the proxy in any Node or Deno program: a launch names it in NODE_OPTIONS, with PLAN
// filled in. bun.cjs builds on it.
//
// The rule: it never breaks the program. Whatever goes wrong here is written to the report, and the program continues as
// if this file was not there. It only says where a connection goes and whom to trust; names, TLS and what is said stay
// as the client made them. It runs in other people's Node, 12 and newer, so its syntax is old: a SyntaxError here would
// end their program.
"use strict";

// Filled in at a launch: "host" and "port" of the proxy, "hosts" ([regular expression, ports] each), "ca" (PEM),
// "reports" (path of the file to write to). All of it is here, since a program may not be allowed to read files.
const PLAN = null;

const fs = require("fs");
const net = require("net");

const { deno, bun } = process.versions;
const runtime = deno ? `deno ${deno}` : bun ? `bun ${bun}` : `node ${process.version}`;

// Names in lower case, and the ports that count; none means all.
const hosts = PLAN === null ? [] : PLAN.hosts.map(([pattern, ports]) => [new RegExp(pattern), ports]);

const PRIVATE = /^((::ffff:)?(127|10|192\.168|169\.254|172\.(1[6-9]|2\d|3[01]))\.|::1$|f[cde])/i;

// Sockets on their way to the proxy: by our doing, or because the client was told of it in HTTPS_PROXY.
const led = new WeakSet();

// Append one line to the report. False where there is none any more: the launch is over, and so is our part.
function report(what, name, port, text) {
  try {
    if (!allowed({ name: "write", path: PLAN.reports })) return true;
    const line = { at: Date.now() / 1000, pid: process.pid, runtime, what };
    Object.assign(line, { name: name || "", port: port || 0, text: text || "" });
    const file = fs.openSync(PLAN.reports, fs.constants.O_WRONLY | fs.constants.O_APPEND);
    try {
      fs.writeSync(file, JSON.stringify(line) + "\n");
    } finally {
      fs.closeSync(file);
    }
  } catch (error) {
    // Node's --permission may refuse it too. That says nothing of the launch.
    return error.code !== "ENOENT";
  }
  return true;
}

// Deno ends a program that does what it may not, or asks the user. Node says no by an error.
function allowed(permission) {
  return !deno || Deno.permissions.querySync(permission).state === "granted";
}

// Return a gateway's name as it is written in the plan, null for any other. Takes whatever a program passes.
function named(host) {
  if (typeof host !== "string") return null;
  const name = host.toLowerCase().replace(/\.$/, "");
  return hosts.some(([pattern]) => pattern.test(name)) ? name : null;
}

// Say whether a connection to a name of `named` is to go to the proxy, and report it if so.
function lead(name, port) {
  if (!hosts.some(([pattern, ports]) => pattern.test(name) && (!ports.length || ports.includes(port)))) return false;
  if (!allowed({ name: "net", host: `${PLAN.host}:${PLAN.port}` })) {
    report("failed", name, port, `Deno needs --allow-net=${PLAN.host}:${PLAN.port} too`);
    return false;
  }
  // Before the connection is made: the proxy reads there which port is meant.
  return report("redirected", name, port);
}

// Return [options, callback] of what net.connect or tls.connect was given: options, or a port and perhaps a host (or a
// path, which is no name of ours), then perhaps more options. Node passes on what it has sorted already as an array.
function sorted(given) {
  const all = Array.isArray(given[0]) ? given[0] : Array.from(given);
  const host = typeof all[1] === "string" ? all[1] : undefined;
  const options = Object.assign({}, typeof all[0] === "object" ? all[0] : { port: all[0], host });
  for (const more of all.slice(1, 3)) if (more !== null && typeof more === "object") Object.assign(options, more);
  return [options, all.find((each) => typeof each === "function")];
}

// Return what to connect with instead, null for "as it was". All sockets come through here, TLS and undici's too.
function redirected(socket, given) {
  const [options, callback] = sorted(given);
  const port = Number(options.port);
  if (port === PLAN.port && [PLAN.host, "localhost"].includes(options.host || "localhost")) led.add(socket);
  let name = named(options.host);
  if (name === null && net.isIP(options.host || "") && named(options.servername)) {
    // The client has asked for the address itself. One that is not the internet's is a tunnel of its own.
    name = named(options.servername);
    if (PRIVATE.test(options.host)) {
      report("own-proxy", name, port);
      return null;
    }
  }
  if (name === null || options.path || !lead(name, port)) return null;
  led.add(socket);
  // An address that the client wants to come from may not lead to this machine.
  Object.assign(options, { host: PLAN.host, port: PLAN.port, localAddress: undefined, localPort: undefined });
  return callback ? [options, callback] : [options];
}

// Return what to connect with instead so that the proxy's authority counts too, for a gateway's name alone.
function trusting(tls, given) {
  const [options, callback] = sorted(given);
  const name = named(options.servername) || named(options.host);
  if (name === null || options.path) return null;
  if (options.socket && !led.has(options.socket)) {
    report("own-proxy", name, Number(options.port));
    return null;
  }
  // Where the proxy finds the name. Node itself sends none.
  if (!options.servername) options.servername = options.host;
  if (deno || bun) {
    options.ca = [].concat(options.ca || tls.rootCertificates, PLAN.ca);
  } else {
    // Adds to what the client trusts, be it the usual authorities, those of its `ca`, or of a context of its own.
    options.secureContext = options.secureContext || tls.createSecureContext(options);
    options.secureContext.context.addCACert(PLAN.ca);
  }
  return callback ? [options, callback] : [options];
}

// Put `change` before a function: it returns other arguments, or null.
function wrap(holder, name, change) {
  const original = holder[name];
  holder[name] = function () {
    let given = null;
    try {
      given = change(this, arguments);
    } catch (error) {
      report("failed", "", 0, `${name}: ${error}`);
    }
    return Reflect.apply(original, this, given || arguments);
  };
  Object.defineProperty(holder[name], "name", { value: original.name, configurable: true });
}

// Return NODE_OPTIONS or BUN_OPTIONS with this hook in it.
function extended(options, flag) {
  return !options ? flag : options.includes(flag) ? options : `${options} ${flag}`;
}

// As `inspector.proxy.launch.install` writes it.
const flag = `--require ${JSON.stringify(__filename)}`;

// A thread or a process with an environment of the program's own making loads nothing unless it is told to.
function followThreads(threads) {
  threads.Worker = class Worker extends threads.Worker {
    constructor(file, options) {
      const env = Object(options).env;
      // A symbol stands for the environment of the process.
      const own = typeof env === "object" && env !== null;
      const ours = own && { env: Object.assign({}, env, { NODE_OPTIONS: extended(env.NODE_OPTIONS, flag) }) };
      super(file, own ? Object.assign({}, options, ours) : options);
    }
  };
}

// All of spawn, fork, exec and cluster come through here, with the environment as a list. npm and cross-env do, too.
function followChildren({ ChildProcess }) {
  wrap(ChildProcess.prototype, "spawn", (child, [{ envPairs }]) => {
    if (!envPairs) return null;
    const start = "NODE_OPTIONS=";
    const at = envPairs.findIndex((pair) => pair.startsWith(start));
    if (at < 0) envPairs.push(start + flag);
    else envPairs[at] = start + extended(envPairs[at].slice(start.length), flag);
    return null;
  });
}

function install() {
  const may = allowed({ name: "env", variable: "GWINSPECT_HOOKS" });
  if (PLAN === null || (may && process.env.GWINSPECT_HOOKS === "off")) return;
  // The dearest part of this file: some 10 to 20 ms at each start of a program that has no TLS.
  const tls = require("tls");
  wrap(net.Socket.prototype, "connect", redirected);
  wrap(tls, "connect", (_, given) => trusting(tls, given));
  if (!deno && !bun) {
    followChildren(require("child_process"));
    followThreads(require("worker_threads"));
  }
  // Whoever writes `import { connect } from "node:tls"` has the changed one too.
  const { syncBuiltinESMExports } = require("module");
  if (syncBuiltinESMExports) syncBuiltinESMExports();
  report("loaded");
}

try {
  install();
} catch (error) {
  report("failed", "", 0, String(error));
}

module.exports = { PLAN, extended, lead, named, report, wrap };
