// What bots on bare WebSocket libraries say: they beat once, log in, and stay until they are ended.

const GATEWAY = "wss://gateway.discord.gg/?v=10&encoding=json";

function talk(socket, token) {
  const properties = { os: "linux", browser: "bot", device: "bot" };
  socket.onmessage = ({ data }) => {
    const { op, t } = JSON.parse(data);
    if (op === 10) {
      socket.send(JSON.stringify({ op: 1, d: null }));
      socket.send(JSON.stringify({ op: 2, d: { token, intents: 1, properties } }));
    }
    if (t === "READY") console.log("ready");
  };
  socket.onerror = (event) => console.error("error", event.message);
  socket.onclose = (event) => console.error("closed", event.code);
  setInterval(() => {}, 1000);
}

module.exports = { GATEWAY, talk };
