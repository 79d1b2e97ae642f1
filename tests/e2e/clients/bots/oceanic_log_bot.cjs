// oceanic_log_bot.cjs TOKEN: obeys the simulator, and prints what docs/logs.md has people print.
const { ActivityTypes, Client } = require("oceanic.js");

const intents = ["GUILDS", "GUILD_MESSAGES", "MESSAGE_CONTENT", "GUILD_MESSAGE_REACTIONS", "GUILD_MESSAGE_TYPING", "GUILD_PRESENCES"];
const client = new Client({ auth: `Bot ${process.argv[2]}`, gateway: { intents } });
client.on("debug", (message, shard) => console.log(new Date().toISOString(), `shard ${shard ?? 0} debug`, message));
client.on("packet", (packet, shard) => console.log(JSON.stringify({ at: new Date(), shard, packet })));
client.on("error", (error) => console.log(new Date().toISOString(), "error", error.message));
client.on("messageCreate", ({ content }) => {
  if (content === "!status") client.editStatus("idle", [{ name: "dice", type: ActivityTypes.GAME }]);
  if (content === "!goodbye") {
    client.disconnect(false);
    setTimeout(() => process.exit(0), 200);
  }
});
client.connect();
