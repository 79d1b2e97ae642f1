// ws_bot.cjs TOKEN [own-ca]: with authorities of its own it trusts nobody else.
const { rootCertificates } = require("node:tls");
const WebSocket = require("ws");
const { GATEWAY, talk } = require("./login.cjs");

const [token, how] = process.argv.slice(2);
talk(new WebSocket(GATEWAY, how === "own-ca" ? { ca: [...rootCertificates] } : {}), token);
