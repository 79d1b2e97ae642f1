// own_proxy_bot.cjs TOKEN PROXY: ws with a proxy agent of its own.
const { HttpsProxyAgent } = require("https-proxy-agent");
const WebSocket = require("ws");
const { GATEWAY, talk } = require("./login.cjs");

const [token, proxy] = process.argv.slice(2);
talk(new WebSocket(GATEWAY, { agent: new HttpsProxyAgent(proxy) }), token);
