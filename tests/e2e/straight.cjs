// Leads whatever asks for one of Discord's names straight to the simulator: node --require straight.cjs bot.js.
// TLS stays the client's own, and the name in it too.
const net = require("net");

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...all) {
  const [options, callback] = net._normalizeArgs(all[0] instanceof Array ? all[0] : all);
  const isOurs = /(^|\.)discord\.(com|gg|media)$/.test(options.host ?? "");
  return connect.call(this, isOurs ? { ...options, host: "127.0.0.1", port: Number(process.env.SIMULATOR_PORT) } : options, callback);
};
